//! How many spans a span stands for, where its sender sampled.

/// Hex digits of a full threshold.
const DIGITS: usize = 14;

/// Returns the weight that OTel's sampling threshold gives (`ot=th:c` in the trace state: of 16
/// spans 12 were dropped, so each stands for 4); `None` where there is none or nothing was dropped.
pub(super) fn of(trace_state: &str) -> Option<f64> {
    if trace_state.is_empty() {
        return None;
    }
    let ot = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let digits = ot.split(';').find_map(|part| part.strip_prefix("th:"))?;
    if digits.is_empty() || digits.len() > DIGITS || !digits.bytes().all(is_lower_hex) {
        return None;
    }
    // The digits are the first ones of 56 bits.
    let missing = u32::try_from(4 * (DIGITS - digits.len())).ok()?;
    let threshold = u64::from_str_radix(digits, 16).ok()? << missing;
    let all = 1u64 << (4 * DIGITS);
    (threshold > 0).then(|| all as f64 / (all - threshold) as f64)
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn thresholds_become_weights() {
        let rows = [
            ("", None),
            ("ot=th:0", None),
            ("ot=th:8", Some(2.0)),
            ("ot=th:c", Some(4.0)),
            ("vendor=a:b, ot=rv:d29d6a7215ced0;th:fd70a4 ", Some(16_777_216.0 / 167_772.0)),
            ("vendor=a:b,ot=rv:d29d6a7215ced0;th:fc", Some(64.0)),
            ("ot=th:ffffffffffffff", Some((1u64 << 56) as f64)),
            ("ot=th:fffffffffffffff", None),
            ("ot=th:C", None),
            ("ot=th:", None),
            ("ot=th:+8", None),
            ("not=th:8", None),
        ];
        for (state, weight) in rows {
            assert_eq!(of(state), weight, "{state}");
        }
    }
}
