//! What a change of a board changes: a unified diff of two texts, line by line.
//!
//! Myers' greedy algorithm, the shortest edit script, with a bound on its work: texts that have almost
//! nothing in common are shown as taken out whole and put in whole.

#[cfg(test)]
mod tests;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Edits beyond which nothing is compared any more: the work grows with their square.
const EDITS_MAX: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Out,
    In,
}

/// Returns the unified diff of two texts; empty where they are the same.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    if old == new {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let edits = script(&old, &new);
    let mut out = format!("--- {old_name}\n+++ {new_name}\n");
    for (from, to) in hunks(&edits) {
        hunk(&mut out, &edits, (from, to), (&old, &new));
    }
    out
}

/// Returns the ranges of edits that belong together.
fn hunks(edits: &[Edit]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (i, _) in edits.iter().enumerate().filter(|(_, edit)| **edit != Edit::Keep) {
        let (from, to) = (i.saturating_sub(CONTEXT), (i + CONTEXT + 1).min(edits.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => hunks.push((from, to)),
        }
    }
    hunks
}

fn hunk(out: &mut String, edits: &[Edit], (from, to): (usize, usize), texts: (&[&str], &[&str])) {
    let count = |edits: &[Edit], but: Edit| edits.iter().filter(|edit| **edit != but).count();
    let (before, within) = (edits.get(..from).unwrap_or(&[]), edits.get(from..to).unwrap_or(&[]));
    let (mut old, mut new) = (count(before, Edit::In), count(before, Edit::Out));
    let (olds, news) = (count(within, Edit::In), count(within, Edit::Out));
    out.push_str(&format!("@@ -{},{olds} +{},{news} @@\n", old + 1, new + 1));
    for edit in within {
        let (sign, line) = match edit {
            Edit::In => ('+', texts.1.get(new)),
            Edit::Out => ('-', texts.0.get(old)),
            Edit::Keep => (' ', texts.0.get(old)),
        };
        old += usize::from(*edit != Edit::In);
        new += usize::from(*edit != Edit::Out);
        out.push(sign);
        out.push_str(line.copied().unwrap_or_default());
        out.push('\n');
    }
}

/// Returns how one becomes the other.
fn script(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(new).take_while(same).count();
    let (old, new) = (old.get(head..).unwrap_or(&[]), new.get(head..).unwrap_or(&[]));
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let middle = myers(
        old.get(..old.len() - tail).unwrap_or(&[]),
        new.get(..new.len() - tail).unwrap_or(&[]),
    );
    let keep = |n| std::iter::repeat_n(Edit::Keep, n);
    keep(head).chain(middle).chain(keep(tail)).collect()
}

fn myers(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let (n, m) = (old.len(), new.len());
    let offset = EDITS_MAX + 1;
    // How far the best path on each diagonal came, after each number of edits.
    let mut reach = vec![0_usize; 2 * offset + 1];
    let mut trace: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=(n + m).min(EDITS_MAX) {
        trace.push(reach.get(offset - edits..=offset + edits).unwrap_or(&[]).to_vec());
        for k in (0..=2 * edits).step_by(2) {
            let diagonal = offset + k - edits;
            let down = k == 0 || (k != 2 * edits && reach[diagonal - 1] < reach[diagonal + 1]);
            let mut x = if down { reach[diagonal + 1] } else { reach[diagonal - 1] + 1 };
            let mut y = (x + offset).saturating_sub(diagonal);
            while x < n && y < m && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            reach[diagonal] = x;
            if x >= n && y >= m {
                return back(&trace, (n, m), edits);
            }
        }
    }
    let out = std::iter::repeat_n(Edit::Out, n);
    out.chain(std::iter::repeat_n(Edit::In, m)).collect()
}

/// Walks the paths back from the end. `trace[d][i]` is diagonal `i - d` before edit `d`.
fn back(trace: &[Vec<usize>], end: (usize, usize), edits: usize) -> Vec<Edit> {
    let (mut x, mut y) = (end.0 as i64, end.1 as i64);
    let mut script = Vec::new();
    for d in (1..=edits as i64).rev() {
        let reach = |k: i64| trace[d as usize][(k + d) as usize] as i64;
        let k = x - y;
        let down = k == -d || (k != d && reach(k - 1) < reach(k + 1));
        let from_k = if down { k + 1 } else { k - 1 };
        let from_x = reach(from_k);
        let from_y = from_x - from_k;
        let start_x = if down { from_x } else { from_x + 1 };
        script.extend(std::iter::repeat_n(Edit::Keep, (x - start_x).max(0) as usize));
        script.push(if down { Edit::In } else { Edit::Out });
        (x, y) = (from_x, from_y);
    }
    script.extend(std::iter::repeat_n(Edit::Keep, x.max(0) as usize));
    script.reverse();
    script
}
