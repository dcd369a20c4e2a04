//! Notifications on their way out: durable, retried, never dropped in silence.
