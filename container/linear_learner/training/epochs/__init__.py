"""What the loop of ``trainer`` goes by: how an epoch is cut, how far training has come, when it stops, checkpoints."""
