//! Any bytes: the same verdict as prost's, the same rows, and no panic.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use tarn_ingest::fuzz::{self, Decoder, Recorded, Version};
use tarn_model::limits::Limits;

use super::expect::{self, Rows};
use super::generate;
use super::oracle::{Request, WriteRequest};

/// Small, so that random requests reach every limit.
pub(crate) fn small_limits() -> Limits {
    Limits {
        labels_max: 5,
        label_name_bytes_max: 100,
        label_value_bytes_max: 200,
        histogram_buckets_max: 6,
        exemplar_bytes_max: 150,
        ..Limits::default()
    }
}

fn rows(recorded: &Recorded) -> Rows {
    let named = |(series, row): &(usize, _)| (recorded.series[*series].clone(), Clone::clone(row));
    recorded.rows.iter().map(named).collect()
}

/// Compares what both make of a body. Rows are compared as text, in which NaNs are equal; the bits
/// of floats are part of it.
fn check(decoder: &Decoder, version: Version, bytes: &[u8]) {
    let limits = small_limits();
    let expected = match version {
        Version::One => WriteRequest::decode(bytes).ok().map(|r| expect::one(&r, &limits)),
        Version::Two => Request::decode(bytes).ok().and_then(|r| expect::two(&r, &limits)),
    };
    let found = decoder.plain(version, bytes);
    let (found, expected) = match (found, expected) {
        (Ok(found), Some(expected)) => (found, expected),
        (Err(error), expected) => {
            let text = error.message();
            assert!(text.starts_with("decode remote write request: "), "{text}");
            // A request under the other version's name is well-formed to prost, and empty.
            let foreign = text.contains("the content type says");
            let empty = expected.as_ref().is_some_and(|e| e.rows.is_empty() && !e.fails);
            assert!(expected.is_none() || (foreign && empty), "{text}, prost: {expected:?}");
            return;
        }
        (found, None) => return assert!(found.is_err(), "prost refuses it, tarn: {found:?}"),
    };
    // The order of rows within a series is that of the wire; the oracle's is by kind.
    let (mut rows, mut wanted) = (rows(&found), expected.rows);
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    wanted.sort_by_cached_key(|row| format!("{row:?}"));
    assert_eq!(format!("{rows:?}"), format!("{wanted:?}"));
    assert_eq!(found.problems.is_some(), expected.fails, "{:?}", found.problems);
    assert_eq!(found.written.rows(), rows.len() as u64);
}

fn config() -> ProptestConfig {
    let cases = if std::env::var_os("TARN_TEST_SLOW").is_some() { 20_000 } else { 500 };
    // Failing requests are printed; those that taught something become cases of their own.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn requests_of_version_1_equal_the_oracle(requests in vec(generate::request1(), 1..4)) {
        let decoder = Decoder::new(small_limits());
        // Twice: the second time the key cache knows every series.
        for request in requests.iter().chain(&requests) {
            check(&decoder, Version::One, &request.encode_to_vec());
        }
    }

    #[test]
    fn requests_of_version_2_equal_the_oracle(requests in vec(generate::request2(), 1..4)) {
        let decoder = Decoder::new(small_limits());
        for request in requests.iter().chain(&requests) {
            check(&decoder, Version::Two, &request.encode_to_vec());
        }
    }

    #[test]
    fn damaged_requests_of_version_1_equal_the_oracle(
        request in generate::request1(),
        damages in vec(generate::damage(), 1..4),
    ) {
        let decoder = Decoder::new(small_limits());
        let mut bytes = request.encode_to_vec();
        check(&decoder, Version::One, &bytes);
        for damage in damages {
            damage.apply(&mut bytes);
            check(&decoder, Version::One, &bytes);
            fuzz::remote_write(Version::One, &bytes);
        }
    }

    #[test]
    fn damaged_requests_of_version_2_equal_the_oracle(
        request in generate::request2(),
        damages in vec(generate::damage(), 1..4),
    ) {
        let decoder = Decoder::new(small_limits());
        let mut bytes = request.encode_to_vec();
        check(&decoder, Version::Two, &bytes);
        for damage in damages {
            damage.apply(&mut bytes);
            check(&decoder, Version::Two, &bytes);
            fuzz::remote_write(Version::Two, &bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_equal_the_oracle(bytes in vec(any::<u8>(), 0..200)) {
        let decoder = Decoder::new(small_limits());
        check(&decoder, Version::One, &bytes);
        check(&decoder, Version::Two, &bytes);
        fuzz::snappy(Version::One, &bytes);
    }
}
