//! Buckets that a start refuses: each message says what, where and what to do.

use super::*;

#[derive(Debug)]
struct Case {
    name: &'static str,
    weather: fn(&S3Server),
    change: fn(&mut BucketOptions),
    /// Exit code 78, else 75.
    is_final: bool,
    says: &'static [&'static str],
    /// Whether queries without a server work all the same.
    readable: bool,
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<Case> {
    let calm: fn(&S3Server) = |_| ();
    let same: fn(&mut BucketOptions) = |_| ();
    vec![
        Case {
            name: "bucket absent",
            weather: calm,
            change: |o| o.url = Some(BucketUrl::parse("s3://other/x").expect("an address")),
            is_final: true,
            says: &["s3://other/x does not exist", "create the bucket"],
            readable: false,
        },
        Case {
            name: "wrong secret",
            weather: calm,
            change: |o| o.secret_access_key = Some(Secret::fixed("inline", "wrong")),
            is_final: true,
            says: &["does not accept the credentials", "SignatureDoesNotMatch"],
            readable: false,
        },
        Case {
            name: "unknown key",
            weather: calm,
            change: |o| o.access_key_id = Some(Secret::fixed("inline", "nobody")),
            is_final: true,
            says: &["does not accept the credentials", "storage.access_key_id"],
            readable: false,
        },
        Case {
            name: "no network",
            weather: calm,
            change: |o| o.endpoint = Some("http://127.0.0.1:1".to_owned()),
            is_final: false,
            says: &["s3://tarn-bucket/a/b cannot be reached", "check the network"],
            readable: false,
        },
        Case {
            name: "closes connections",
            weather: |s| s.weather(|w| w.down = true),
            change: same,
            is_final: false,
            says: &["cannot be reached"],
            readable: false,
        },
        Case {
            name: "another region",
            weather: |s| s.weather(|w| w.region = Some("eu-west-3".to_owned())),
            change: same,
            is_final: true,
            says: &["is in another region", "set storage.region to eu-west-3"],
            readable: false,
        },
        Case {
            name: "not allowed to list",
            weather: |s| s.weather(|w| w.error = Some((403, "AccessDenied"))),
            change: same,
            is_final: true,
            says: &["may not be listed", "s3:ListBucket", "AccessDenied"],
            readable: false,
        },
        Case {
            name: "clock",
            weather: |s| s.weather(|w| w.error = Some((403, "RequestTimeTooSkewed"))),
            change: same,
            is_final: false,
            says: &["the clock of this machine", "set the clock"],
            readable: false,
        },
        Case {
            name: "throttled for long",
            weather: |s| s.weather(|w| w.slow_down = 1_000),
            change: same,
            is_final: false,
            says: &["cannot be reached", "SlowDown"],
            readable: false,
        },
        Case {
            name: "read-only",
            weather: |s| s.weather(|w| w.deny_writes = true),
            change: same,
            is_final: true,
            says: &["can be read and not be written", "s3:PutObject", "tarn query --data s3://"],
            readable: true,
        },
        Case {
            name: "ignores conditions",
            weather: |s| s.weather(|w| w.ignore_conditions = true),
            change: same,
            is_final: true,
            says: &["does not honour conditional writes", "If-None-Match"],
            readable: true,
        },
        Case {
            name: "refuses conditions",
            weather: |s| s.weather(|w| w.refuse_conditions = true),
            change: same,
            is_final: true,
            says: &["does not support conditional writes", "NotImplemented"],
            readable: true,
        },
        Case {
            name: "half of the keys",
            weather: calm,
            change: |o| o.secret_access_key = None,
            is_final: true,
            says: &["storage.access_key_id is set, storage.secret_access_key is not"],
            readable: false,
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_work_is_refused_with_the_reason() {
    for case in cases() {
        let server = S3Server::start().await.expect("a server");
        let mut bucket = options(&server);
        (case.weather)(&server);
        (case.change)(&mut bucket);
        let handles = handles(7);
        let options = Options { bucket: bucket.clone(), ..Options::new("/data") };
        let mut registry = Registry::default();
        let opened = tarn_storage::Storage::open(options, handles.clone(), &mut registry).await;
        let error = opened.expect_err(case.name);
        let text = told(&error);
        let kind = error.kind();
        assert_eq!(kind == ErrorKind::Invalid, case.is_final, "{}: {kind:?} {text}", case.name);
        assert!(case.is_final || matches!(kind, ErrorKind::Unavailable { .. }), "{}", case.name);
        for says in case.says {
            assert!(text.contains(says), "{}: {text:?} lacks {says:?}", case.name);
        }
        let url = bucket.url.clone().expect("is set");
        let readable = match bucket::inspect(&url, &bucket, &handles) {
            Ok(open) => check::readable(&open, &*handles.clock).await.is_ok(),
            Err(_) => false,
        };
        assert_eq!(readable, case.readable, "{}", case.name);
        let probes = server.bucket_folder().join("a/b/probes");
        let left = std::fs::read_dir(probes).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{}: probes are taken away", case.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_is_told_and_left_alone() {
    let server = S3Server::start().await.expect("a server");
    let objects = objects(&options(&server), 1);
    for key in ["holiday.jpg", "photos/1.jpg", "photos/2.jpg", "blocks/x", "catalog/notes.txt"] {
        objects.overwrite(key, &Bytes::from_static(b"x")).await.expect("writes");
    }
    let bucket = open(&options(&server), 1);
    let clock = RealClock::default();
    let strangers = check::readable(&bucket, &clock).await.expect("reads");
    assert_eq!(strangers.count, 2, "{strangers:?}");
    assert_eq!(strangers.example.as_deref(), Some("photos"));
    // A start that was killed leaves a probe, which a later one takes away once it is old.
    objects.overwrite("probes/00", &Bytes::from_static(b"x")).await.expect("writes");
    objects.overwrite("probes/01", &Bytes::from_static(b"x")).await.expect("writes");
    let old = std::time::SystemTime::now() - Duration::from_secs(7_200);
    let file = server.bucket_folder().join("a/b/probes/00");
    let file = std::fs::File::options().write(true).open(file).expect("opens");
    file.set_modified(old).expect("is made old");
    check::at_start(&bucket, &clock, &SimRng::new(1)).await.expect("all is well");
    let probes = objects.list("probes").await.expect("lists");
    assert_eq!(probes.iter().map(|p| p.key.as_str()).collect::<Vec<_>>(), ["probes/01"]);
    let left = objects.list("photos").await.expect("lists").len();
    assert_eq!(left, 2);
}
