//! Go's `text/template`, and the contextual escaping of `html/template`.
