//! When groups are evaluated: aligned slots, missed ones counted.
