"""What is found wrong with a job before it trains, in ``validate`` and by the job itself."""
