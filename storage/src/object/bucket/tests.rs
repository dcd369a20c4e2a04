use super::*;

#[test]
fn addresses_are_read_as_people_write_them() {
    let s3 = |bucket: &str, endpoint: Option<&str>, region: Option<&str>| Provider::S3 {
        bucket: bucket.to_owned(),
        endpoint: endpoint.map(str::to_owned),
        region: region.map(str::to_owned),
    };
    let azure = |container: &str, account: Option<&str>| Provider::Azure {
        container: container.to_owned(),
        account: account.map(str::to_owned),
    };
    let google = |bucket: &str| Provider::Google { bucket: bucket.to_owned() };
    for (text, provider, prefix) in [
        ("s3://logs", s3("logs", None, None), ""),
        ("s3://logs/a/b/", s3("logs", None, None), "a/b"),
        ("s3a://logs/a", s3("logs", None, None), "a"),
        ("https://s3.eu-west-1.amazonaws.com/logs/a", s3("logs", None, Some("eu-west-1")), "a"),
        (
            "https://my.logs.s3.us-east-2.amazonaws.com/a",
            s3("my.logs", None, Some("us-east-2")),
            "a",
        ),
        ("http://minio:9000/logs/a/b", s3("logs", Some("http://minio:9000"), None), "a/b"),
        ("gs://logs/a", google("logs"), "a"),
        ("https://storage.googleapis.com/logs/a", google("logs"), "a"),
        ("az://logs/a", azure("logs", None), "a"),
        ("abfss://logs@acme.dfs.core.windows.net/a", azure("logs", Some("acme")), "a"),
        ("https://acme.blob.core.windows.net/logs/a", azure("logs", Some("acme")), "a"),
        ("file:///srv/tarn", Provider::Folder("/srv/tarn".into()), ""),
    ] {
        let url = BucketUrl::parse(text).expect(text);
        assert_eq!((url.provider(), url.prefix().as_ref()), (&provider, prefix), "{text}");
        assert_eq!(url.to_string(), text.trim_end_matches('/'));
    }
}

#[test]
fn what_is_no_address_is_refused_without_repeating_secrets() {
    for (text, says) in [
        ("logs", "is not the address of a bucket"),
        ("ftp://logs", "none of the schemes"),
        ("s3://", "does not name a bucket"),
        ("s3:///a", "does not name a bucket"),
        ("s3://lo gs/a", "does not name a bucket"),
        ("s3://../a", "does not name a bucket"),
        ("s3://logs/a//b", "usable prefix"),
        ("file://host/a", "does not name a folder"),
        ("s3://key:canary@logs/a", "holds no credentials"),
        ("https://acme.blob.core.windows.net/logs?sig=canary", "has no ? or #"),
    ] {
        let error = BucketUrl::parse(text).expect_err(text).message();
        assert!(error.contains(says) && !error.contains("canary"), "{text}: {error}");
    }
}

#[test]
fn options_print_no_secret() {
    let options = BucketOptions {
        secret_access_key: Some(Secret::fixed("inline", "canary")),
        platform: vec![("AWS_SECRET_ACCESS_KEY".to_owned(), Secret::fixed("env:A", "canary"))],
        ..BucketOptions::default()
    };
    let text = format!("{options:?}");
    assert!(text.contains("<secret inline>") && !text.contains("canary"), "{text}");
}
