//! One evaluation of a group: queries, states, recorded series.
