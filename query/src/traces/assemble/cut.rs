//! Traces with more spans than anyone can be shown.
//!
//! The spans nearest to the root stay: they say what was done, those far below how. Numbers of what
//! is below a span stay as they were, so that a view can say how much is missing where.

use super::Trace;
use crate::traces::tree::Segment;

impl Trace {
    /// Leaves out spans beyond a number, those farthest below the root first.
    pub(crate) fn keep_nearest(&mut self, max: usize) {
        if self.places.len() <= max {
            return;
        }
        let depths = self.places.iter().map(|place| place.depth as usize);
        let mut of_depth = vec![0_usize; depths.clone().max().unwrap_or(0) + 1];
        depths.for_each(|depth| of_depth[depth] += 1);
        // Of each depth as many as there is room for; parents are nearer and have had theirs.
        let mut room = max;
        for left in &mut of_depth {
            *left = (*left).min(room);
            room -= *left;
        }
        let mut kept = Vec::with_capacity(max);
        // For each place the kept one that it is at or below.
        let mut shown_at = Vec::with_capacity(self.places.len());
        let mut line: Vec<usize> = Vec::new();
        for place in &self.places {
            let depth = place.depth as usize;
            line.truncate(depth);
            let left = &mut of_depth[depth];
            // A span whose parent is left out is left out too.
            if *left > 0 && line.len() == depth {
                *left -= 1;
                line.push(kept.len());
                kept.push(*place);
            }
            shown_at.push(line.last().copied().unwrap_or(0));
        }
        self.hidden = self.places.len() - kept.len();
        self.places = kept;
        self.path = united(&self.path, &shown_at);
    }
}

/// Gives what hidden spans spent on the path to the spans above them.
fn united(path: &[Segment], shown_at: &[usize]) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    for segment in path {
        let span = shown_at.get(segment.span).copied().unwrap_or(0);
        match out.last_mut() {
            Some(last) if last.span == span => last.end_ns = segment.end_ns,
            _ => out.push(Segment { span, ..*segment }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::tree::Top;

    fn trace() -> Trace {
        // 1 calls 2 and 5, 2 calls 3, 3 calls 4; 6 is another root.
        let span = |id, parent, start, ns| super::super::tests::span(id, parent, start, ns);
        Trace::assemble(vec![
            span(1, None, 0, 100),
            span(2, Some(1), 10, 50),
            span(3, Some(2), 20, 30),
            span(4, Some(3), 25, 10),
            span(5, Some(1), 70, 10),
            span(6, None, 200, 10),
        ])
    }

    fn ids(trace: &Trace) -> Vec<u8> {
        trace.spans().map(|(span, _)| span.id[0]).collect()
    }

    #[test]
    fn those_nearest_to_the_root_stay() {
        for (max, expected) in
            [(9, &[1, 2, 3, 4, 5, 6][..]), (5, &[1, 2, 3, 5, 6]), (3, &[1, 2, 6]), (1, &[1])]
        {
            let mut trace = trace();
            trace.keep_nearest(max);
            assert_eq!(ids(&trace), expected, "{max}");
            assert_eq!(trace.hidden, 6 - expected.len());
        }
    }

    #[test]
    fn the_path_stays_whole() {
        let mut trace = trace();
        trace.keep_nearest(3);
        let path: Vec<_> = trace.path.iter().map(|s| (s.span, s.start_ns, s.end_ns)).collect();
        assert_eq!(path, [(0, 0, 10), (1, 10, 60), (0, 60, 100)]);
        assert_eq!(trace.places[1].descendants, 2, "what is below is told all the same");
        assert_eq!(trace.places[2].top, Some(Top::Root));
        let remark = "spans that are left out, those farthest below the root: 3";
        assert_eq!(trace.remarks(), [remark]);
    }
}
