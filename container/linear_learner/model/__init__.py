"""The linear model: its losses, its scaling, its network and its files. Shared by training and serving."""
