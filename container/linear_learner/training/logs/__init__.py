"""What a job writes to its log: the lines, what they say of an epoch and of the time that is left, and the bar."""
