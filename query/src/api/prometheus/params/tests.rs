use super::*;

fn params(query: &str) -> Params {
    Params::new(b"", query)
}

fn error<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.expect_err("must be refused").message
}

#[test]
fn a_form_comes_before_the_query_string() {
    let both = Params::new(b"query=a%2Bb&match[]=x", "query=c&match%5B%5D=y");
    assert_eq!(both.get("query"), "a+b");
    assert_eq!(both.all("match[]"), ["x", "y"]);
    assert_eq!(both.get("absent"), "");
}

#[test]
fn errors_have_the_texts_that_clients_know() {
    let rows = [
        (
            error(params("start=x&end=2&step=1").steps(11_000)),
            "invalid parameter \"start\": cannot parse \"x\" to a valid timestamp",
        ),
        (
            error(params("end=2&step=1").steps(11_000)),
            "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
        ),
        (
            error(params("start=3&end=2&step=1").steps(11_000)),
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        (
            error(params("start=1&end=2&step=0").steps(11_000)),
            "invalid parameter \"step\": zero or negative query resolution step widths are not \
             accepted. Try a positive integer",
        ),
        (
            error(params("start=1&end=2&step=x").steps(11_000)),
            "invalid parameter \"step\": cannot parse \"x\" to a valid duration",
        ),
        (
            error(params("start=0&end=11001&step=1").steps(11_000)),
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
             resolution (?step=XX)",
        ),
        (
            error(params("time=x").time_or("time", 0)),
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a \
             valid timestamp",
        ),
        (
            error(params("limit=-1").limit()),
            "invalid parameter \"limit\": limit must be non-negative",
        ),
        (
            error(params("timeout=x").timeout()),
            "invalid parameter \"timeout\": cannot parse \"x\" to a valid duration",
        ),
        (
            error(params("lookback_delta=x").lookback()),
            "error parsing lookback delta duration: cannot parse \"x\" to a valid duration",
        ),
    ];
    for (is, expected) in rows {
        assert_eq!(is, expected);
    }
}

#[test]
fn what_is_allowed_is_taken() {
    assert_eq!(params("start=0&end=11000&step=1").steps(11_000).ok(), Some((0, 11_000_000, 1000)));
    assert_eq!(params("limit=0").limit().ok(), Some(None));
    assert_eq!(params("limit=7").limit().ok(), Some(Some(7)));
    assert_eq!(params("").range().ok(), Some(TimeRange::ALL));
    assert_eq!(params("timeout=-5").timeout().ok(), Some(Some(Duration::ZERO)));
    assert_eq!(params("lookback_delta=0").lookback().ok(), Some(None));
}

#[test]
fn escaped_names_are_unescaped() {
    for (escaped, name) in [
        ("job", "job"),
        ("U__job", "job"),
        ("U__http_2e_status", "http.status"),
        ("U__http_2e_status__code", "http.status_code"),
        ("U___1f980_", "🦀"),
        ("U__", ""),
        ("U__a_zz_", "U__a_zz_"),
        ("U__a_2e", "U__a_2e"),
        ("U__a_d800_", "U__a_d800_"),
        ("U__a_1234567_", "U__a_1234567_"),
        ("U__ü_", "U__ü_"),
    ] {
        assert_eq!(unescape_name(escaped), name, "{escaped}");
    }
}
