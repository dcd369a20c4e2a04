//! Labels, values, series, metadata, status.

use expect_test::expect;

use crate::support::{NOW_MS, World, float, metadata};

async fn world() -> World {
    let world = World::new().await;
    world
        .write(|a| {
            float(a, &[("__name__", "up"), ("job", "api")], &[(NOW_MS, 1.0)]);
            float(a, &[("__name__", "up"), ("job", "db")], &[(NOW_MS, 0.0)]);
            float(
                a,
                &[("__name__", "http.requests"), ("job", "api"), ("a.b", "x")],
                &[(NOW_MS, 5.0)],
            );
            metadata(a, "up", "gauge", "whether it answers");
            metadata(a, "http.requests", "counter", "say \"hi\"");
        })
        .await;
    world
}

#[tokio::test]
async fn names_and_values_are_listed() {
    let world = world().await;
    let rows = [
        ("/labels", expect![[r#"200 {"status":"success","data":["__name__","a.b","job"]}"#]]),
        ("/labels?match[]=up", expect![[r#"200 {"status":"success","data":["__name__","job"]}"#]]),
        (
            "/labels?limit=1",
            expect![[
                r#"200 {"status":"success","data":["__name__"],"warnings":["results truncated due to limit"]}"#
            ]],
        ),
        (
            "/labels?limit=0",
            expect![[r#"200 {"status":"success","data":["__name__","a.b","job"]}"#]],
        ),
        ("/label/job/values", expect![[r#"200 {"status":"success","data":["api","db"]}"#]]),
        (
            "/label/__name__/values?match[]={job=\"db\"}",
            expect![[r#"200 {"status":"success","data":["up"]}"#]],
        ),
        ("/label/U__a_2e_b/values", expect![[r#"200 {"status":"success","data":["x"]}"#]]),
        ("/label/a.b/values", expect![[r#"200 {"status":"success","data":["x"]}"#]]),
        ("/label/nothing/values", expect![[r#"200 {"status":"success","data":[]}"#]]),
        (
            "/series?match[]=up",
            expect![[
                r#"200 {"status":"success","data":[{"__name__":"up","job":"api"},{"__name__":"up","job":"db"}]}"#
            ]],
        ),
        (
            "/series?match[]=up&match[]={\"a.b\"=\"x\"}&limit=2",
            expect![[
                r#"200 {"status":"success","data":[{"__name__":"http.requests","a.b":"x","job":"api"},{"__name__":"up","job":"api"}],"warnings":["results truncated due to limit"]}"#
            ]],
        ),
        ("/series?match[]=nothing", expect![[r#"200 {"status":"success","data":[]}"#]]),
        (
            "/metadata",
            expect![[
                r#"200 {"status":"success","data":{"http.requests":[{"type":"counter","help":"say \"hi\"","unit":""}],"up":[{"type":"gauge","help":"whether it answers","unit":""}]}}"#
            ]],
        ),
        (
            "/metadata?metric=up",
            expect![[
                r#"200 {"status":"success","data":{"up":[{"type":"gauge","help":"whether it answers","unit":""}]}}"#
            ]],
        ),
        ("/metadata?limit=0", expect![[r#"200 {"status":"success","data":{}}"#]]),
        (
            "/status/buildinfo",
            expect![[
                r#"200 {"status":"success","data":{"version":"3.14.0","revision":"abc","branch":"tarn-0.1.0","buildUser":"","buildDate":"","goVersion":""}}"#
            ]],
        ),
    ];
    for (request, expected) in rows {
        let encoded = request.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
        expected.assert_eq(&world.get(&encoded).await.line());
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told() {
    let world = world().await;
    let rows = [
        (
            "/series",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}"#
            ]],
        ),
        (
            "/series?match[]=%7Bjob%3D~%22.*%22%7D",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"match[]\": match[] must contain at least one non-empty matcher"}"#
            ]],
        ),
        (
            "/labels?match[]=%7B%7D",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"match[] must contain at least one non-empty matcher"}"#
            ]],
        ),
        (
            "/labels?start=x",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp"}"#
            ]],
        ),
        (
            "/labels?limit=-1",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": limit must be non-negative"}"#
            ]],
        ),
        (
            "/label/U__/values",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid label name: \"U__\""}"#
            ]],
        ),
        (
            "/metadata?limit=x",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"limit must be a number"}"#
            ]],
        ),
    ];
    for (request, expected) in rows {
        expected.assert_eq(&world.get(request).await.line());
    }
}

#[tokio::test]
async fn what_was_flushed_is_still_listed() {
    let world = world().await;
    world.flush().await;
    let before = world.get("/series?match[]=up").await;
    assert_eq!(before.json()["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        world.get("/labels").await.json()["data"],
        serde_json::json!(["__name__", "a.b", "job"])
    );
    let outside = format!("/labels?end={}", NOW_MS / 1000 - 3600);
    assert_eq!(world.get(&outside).await.json()["data"], serde_json::json!([]));
}

#[tokio::test]
async fn a_tenant_sees_its_own_data_only() {
    let mut world = world().await;
    world.tenant = tarn_model::tenant::TenantId::parse("other").unwrap();
    for request in ["/labels", "/label/job/values", "/series?match[]=up", "/query?query=up"] {
        let answer = world.get(request).await;
        let data = &answer.json()["data"];
        let rows = data.get("result").unwrap_or(data);
        assert_eq!(rows, &serde_json::json!([]), "{request}");
    }
    assert_eq!(world.get("/metadata").await.json()["data"], serde_json::json!({}));
}

#[tokio::test]
async fn runtime_information_is_an_object() {
    let world = World::new().await;
    let data = &world.get("/status/runtimeinfo").await.json()["data"];
    assert_eq!(data["startTime"], "2023-11-14T22:13:20Z");
    assert_eq!(data["reloadConfigSuccess"], true);
}
