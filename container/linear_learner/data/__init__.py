"""From the files of a channel to chunks of normalised rows that the engine trains on."""
