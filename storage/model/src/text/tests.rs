use proptest::prelude::*;

use super::*;

#[test]
fn severity_texts() {
    let rows: &[(&str, Option<u8>)] = &[
        ("INFO", Some(9)),
        ("info", Some(9)),
        (" Information ", Some(9)),
        ("Informational", Some(9)),
        ("TRACE", Some(1)),
        ("TRACE4", Some(4)),
        ("debug2", Some(6)),
        ("ERROR3", Some(19)),
        ("FATAL4", Some(24)),
        ("ERROR5", None),
        ("ERROR1", None),
        ("notice", Some(10)),
        ("WARNING", Some(13)),
        ("err", Some(17)),
        ("SEVERE", Some(17)),
        ("crit", Some(18)),
        ("Alert", Some(19)),
        ("emerg", Some(21)),
        ("V", Some(1)),
        ("d", Some(5)),
        ("I", Some(9)),
        ("W", Some(13)),
        ("E", Some(17)),
        ("F", Some(21)),
        ("", None),
        ("30", None),
        ("errors", None),
        ("informationals", None),
        ("é", None),
    ];
    for (text, number) in rows {
        assert_eq!(severity_of_text(text), *number, "{text:?}");
    }
}

#[test]
fn severity_of_bodies() {
    let rows: &[(&str, Option<u8>)] = &[
        // fields
        ("{\"level\":\"warn\",\"msg\":\"error\"}", Some(13)),
        ("{ \"msg\" : \"a \\\" level\", \"Severity\" : \"ERROR\" }", Some(17)),
        ("{\"inner\":{\"level\":\"error\"},\"lvl\":\"info\"}", Some(9)),
        ("{\"inner\":{\"level\":\"error\"}}", None),
        ("{\"level\":30}", None),
        ("{\"level\":\"", None),
        ("time=1 level=error msg=\"x\"", Some(17)),
        ("ts=1 lvl=\"warn\" msg=x", Some(13)),
        ("severity=DEBUG", Some(5)),
        ("GET /x?level=error done", None),
        ("log_level=error", None),
        // words that lead or are bracketed
        ("ERROR something broke", Some(17)),
        ("error: cannot open", Some(17)),
        ("Warning: 3 left", Some(13)),
        ("2024-05-01T10:00:00Z INFO started", Some(9)),
        ("2015-10-18 18:01:47,978 WARN [main] org.apache", Some(13)),
        ("Jun 14 15:16:01 ERROR x", Some(17)),
        ("[2024-05-01 10:00:00] [error] [client 1.2.3.4] x", Some(17)),
        ("nova.compute (info) x", Some(9)),
        ("<Notice> x", Some(10)),
        ("E0102 15:04:05.678901 1 main.go:3] x", Some(17)),
        ("I2024 is a year", None),
        // words that say nothing
        ("finished with 0 errors", None),
        ("0 ERRORS", None),
        ("0 ERROR lines", None),
        ("I0102 is a number", None),
        ("Error handling was improved", None),
        ("the ERROR was fixed", None),
        ("error-free run: fatal", None),
        ("[config] loaded", None),
        ("INFORMATION_SCHEMA was read", None),
        ("ERROR_CODE 5", None),
        ("", None),
        ("é ERROR x", None),
    ];
    for (body, number) in rows {
        assert_eq!(severity_of_body(body), *number, "{body:?}");
    }
    let deep = format!("[{}] [ERROR] x", "x".repeat(LEVEL_BYTES));
    assert_eq!(severity_of_body(&deep), None);
}

#[test]
fn the_same_failure_has_the_same_frames() {
    let java = |line, lambda| {
        format!(
            "java.lang.IllegalStateException: order 17\n\
             \tat java.util.Objects.requireNonNull(Objects.java:233)\n\
             \tat shop.Cart.add(Cart.java:{line})\n\
             \tat shop.Web.lambda$handle${lambda}(Web.java:1)\n\
             \tat java.lang.Thread.run(Thread.java:840)"
        )
    };
    assert_eq!(frames(&java(12, 0)), frames(&java(13, 4)));
    assert_eq!(
        frames(&java(12, 0)),
        ["shop.Cart.add(Cart.java:#)", "shop.Web.lambda$handle$#(Web.java:#)"]
    );
    let python = "Traceback (most recent call last):\n  File \"/app/web.py\", line 3, in handle\n    \
                  add(x)\n  File \"/app/cart.py\", line 9, in add\n    raise ValueError(x)\n\
                  ValueError: 17";
    assert_eq!(
        frames(python),
        ["/app/cart.py\", line #, in add", "/app/web.py\", line #, in handle"]
    );
    let go = "goroutine 7 [running]:\nmain.add(0xc0000140a8, 0x1)\n\t/app/main.go:9 +0x1d\n\
              created by main.main\n\t/app/main.go:3 +0x2c";
    assert_eq!(frames(go), ["main.add(#, #)"]);
    let node = "Error: x\n    at add (/app/cart.js:3:9)\n    at node:internal/timers:581:17";
    assert_eq!(frames(node), ["add (/app/cart.js:#:#)"]);
    // Nothing but the runtime is better than nothing.
    assert_eq!(frames("x\n\tat java.lang.Thread.run(Thread.java:840)").len(), 1);
    assert_eq!(frames("first\nsecond 2\n\nthird"), ["second #", "third"]);
    assert!(frames("").is_empty());
}

proptest! {
    #[test]
    fn no_text_makes_a_rule_panic(text in "[\\PC\\n\\t{}\"=:é0-9a-zA-Z]{0,200}") {
        severity_of_text(&text);
        severity_of_body(&text);
        prop_assert!(frames(&text).len() <= FRAMES);
    }
}
