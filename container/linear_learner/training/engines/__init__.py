"""What is trained and by what: the state of all candidates, the engines that train it, and the optimizers."""
