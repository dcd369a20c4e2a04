//! The states of alerts: one pure step per evaluation.
