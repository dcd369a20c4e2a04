//! Which alert goes to whom, with which others, and when. Pure.
