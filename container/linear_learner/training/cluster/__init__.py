"""The hosts of a job: how they find each other, what they agree on, and how they notice that one is gone.

``hosts`` joins them for a job. ``interface`` is what the rest of training knows of them: ``Cluster``, which a job on
one host has as well; ``agreement`` and ``averaging`` are what hosts do by it before training and during it.
``Several.join`` brings several hosts together. They are connected twice:

- *links*, one TCP connection between each host and the first one, carry what is small and has to be exact or soon:
  facts, sums of statistics, scores, heartbeats, and why a host fails;
- MXNet's parameter servers (``store``) carry the weights, again and again.
"""
