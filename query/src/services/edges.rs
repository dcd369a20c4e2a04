//! Who calls whom, and which operations a service has: groups of series with their figures.

use tarn_model::map::HashMap;
use tarn_promql::query::{MatrixSeries, QueryError};

use super::ask::{Asker, quoted};
use super::red::{CALLS, FAILED, LATENCY, Latency, Rates};
use super::window::Window;

/// Calls between services.
const REQUESTS: &str = "traces_service_graph_request_total";
/// Of those, the failed ones.
const REQUESTS_FAILED: &str = "traces_service_graph_request_failed_total";
/// How long they took, as the caller saw it.
const REQUESTS_SECONDS: &str = "traces_service_graph_request_client_seconds";

/// Steps that totals are added up from: enough that what began in the middle of the range is not
/// thinned out over all of it, few enough for thousands of groups.
const POINTS: usize = 12;

/// What is told of a group.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) rates: Rates,
    pub(crate) latency: Latency,
}

/// Figures by the values of some labels.
type Groups = HashMap<Vec<String>, Figures>;

/// A call along one edge.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) connection_type: String,
    pub(crate) figures: Figures,
}

/// An operation of a service.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) figures: Figures,
}

/// Reads edges: all, or those from and to one service.
///
/// # Errors
/// Those of the queries.
pub(crate) async fn edges(
    asker: &mut Asker<'_>,
    window: &Window,
    service: Option<&str>,
) -> Result<Vec<Edge>, QueryError> {
    let by = ["client", "server", "connection_type"];
    let window = coarse(window);
    let mut groups = Groups::default();
    for (metric, what) in [
        (REQUESTS, What::Calls),
        (REQUESTS_FAILED, What::Errors),
        (REQUESTS_SECONDS, What::Latency),
    ] {
        for matcher in matchers(service) {
            let text = rate_by(&by, metric, &matcher, &window);
            let see = |series: &MatrixSeries| add(&mut groups, &by, series, what, &window);
            asker.series(text, &window, see).await?;
        }
    }
    let edge = |(key, figures): (Vec<String>, Figures)| {
        let [client, server, connection_type] = <[String; 3]>::try_from(key).ok()?;
        Some(Edge { client, server, connection_type, figures })
    };
    let mut edges: Vec<Edge> = groups.into_iter().filter_map(edge).collect();
    edges.sort_by(|a, b| busiest(&a.figures, &b.figures).then(a.client.cmp(&b.client)));
    Ok(edges)
}

/// Returns which edges are asked for: none is in two of them.
fn matchers(service: Option<&str>) -> Vec<String> {
    match service.map(quoted) {
        None => vec![String::new()],
        Some(name) => {
            vec![format!("client={name}"), format!("server={name},client!={name}")]
        }
    }
}

/// Reads the operations of a service.
///
/// # Errors
/// Those of the queries.
pub(crate) async fn operations(
    asker: &mut Asker<'_>,
    window: &Window,
    service: &str,
) -> Result<Vec<Operation>, QueryError> {
    let by = ["span_name", "span_kind"];
    let window = coarse(window);
    let matcher = format!("service={}", quoted(service));
    let mut groups = Groups::default();
    let with_status = [by[0], by[1], "status_code"];
    let text = rate_by(&with_status, CALLS, &matcher, &window);
    asker
        .series(text, &window, |series| {
            add(&mut groups, &by, series, What::Calls, &window);
            if series.labels.value("status_code") == FAILED {
                add(&mut groups, &by, series, What::Errors, &window);
            }
        })
        .await?;
    let text = rate_by(&by, LATENCY, &matcher, &window);
    asker
        .series(text, &window, |series| add(&mut groups, &by, series, What::Latency, &window))
        .await?;
    let operation = |(key, figures): (Vec<String>, Figures)| {
        let [name, kind] = <[String; 2]>::try_from(key).ok()?;
        Some(Operation { name, kind, figures })
    };
    let mut operations: Vec<Operation> = groups.into_iter().filter_map(operation).collect();
    operations.sort_by(|a, b| busiest(&a.figures, &b.figures).then(a.name.cmp(&b.name)));
    Ok(operations)
}

fn busiest(a: &Figures, b: &Figures) -> std::cmp::Ordering {
    b.rates.total().0.total_cmp(&a.rates.total().0)
}

fn coarse(window: &Window) -> Window {
    Window::new(window.start_ms, window.end_ms, POINTS)
}

fn rate_by(by: &[&str], metric: &str, matcher: &str, window: &Window) -> String {
    let (by, ms) = (by.join(", "), window.rate_ms());
    format!("sum by ({by}) (rate({metric}{{{matcher}}}[{ms}ms]))")
}

/// What a series tells of its group.
#[derive(Debug, Clone, Copy)]
enum What {
    Calls,
    Errors,
    Latency,
}

fn add(groups: &mut Groups, by: &[&str], series: &MatrixSeries, what: What, window: &Window) {
    let key = by.iter().map(|name| series.labels.value(name).to_owned()).collect();
    let points = window.points;
    let group = groups
        .entry(key)
        .or_insert_with(|| Figures { rates: Rates::new(points), latency: Latency::new(points) });
    let rates = &mut group.rates;
    for (time_ms, rate) in &series.floats {
        let Some(at) = window.index(*time_ms) else { continue };
        match what {
            What::Calls => rates.add(at, *rate),
            What::Errors => rates.add_errors(at, *rate),
            What::Latency => {}
        }
    }
    for (time_ms, histogram) in &series.histograms {
        if let Some(at) = window.index(*time_ms).filter(|_| histogram.count() > 0.0) {
            group.latency.add(at, histogram);
        }
    }
}
