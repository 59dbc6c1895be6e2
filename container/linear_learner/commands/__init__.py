"""The commands of ``linear-learner``, one module each.

A module has ``add_to(commands)``, which declares the command, its options and its help, and a function that runs it and
returns the exit code. Importing a module imports nothing heavy: what a command needs is imported when it runs, so that
``--help`` is there at once. ``cli`` lists the modules.
"""
