//! What survives a restart, through the log of storage.
