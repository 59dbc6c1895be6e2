"""Predictions for whole files: what the server does for a request, in bounded memory whatever the file's size.

Rows with labels alone cost memory, a score and a label each: metrics such as the area under a curve need them all.
"""
