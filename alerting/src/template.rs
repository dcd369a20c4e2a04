//! Text of labels, annotations and notifications. Pure.
