"""The C++ library: the training operator, and the few lines that build and load it."""
