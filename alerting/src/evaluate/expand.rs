//! Templates of labels and annotations, written out for a sample.
//!
//! A template may ask a query, which is answered by waiting, while the step that expands it is pure
//! and does not wait. So a step that met questions is taken again once they are answered: the first
//! pass collects them. An answer can lead to the next question, but not for ever.

use tarn_model::map::HashMap;
use tarn_model::tenant::TenantId;
use tarn_query::Engine;

use super::query::ask;
use crate::alert::Fingerprint;
use crate::rules::Rule;
use crate::state::{RuleState, Sample, Step, StepError, step};
use crate::template::rule::{More, QuerySample, RuleData, expand_or_tell};

/// Passes over one step: questions that follow from answers go no deeper.
const PASSES_MAX: usize = 3;
/// Questions of one step.
const QUESTIONS_MAX: usize = 1_000;

type Answer = Result<Vec<QuerySample>, String>;

/// What templates see beside the sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) external_labels: &'a tarn_model::labels::LabelSet,
    pub(super) external_url: &'a str,
    pub(super) group_id: u64,
    pub(super) interval: std::time::Duration,
    pub(super) now_ms: i64,
}

/// Takes the step of an alerting rule, with its templates written out.
///
/// # Errors
/// Those of the step. A template that fails fails nothing.
pub(super) async fn step_expanded(
    (engine, tenant): (&Engine, &TenantId),
    around: Surroundings<'_>,
    rule: &Rule,
    limit: usize,
    previous: &RuleState,
    (slot_ms, query_ms): (i64, i64),
    samples: Vec<Sample>,
) -> Result<Step, StepError> {
    let mut answers: HashMap<String, Answer> = HashMap::default();
    for _ in 0..PASSES_MAX {
        let mut asked = Vec::new();
        let mut write = |template: &str, sample: &Sample| {
            one((around, rule), template, sample, &answers, &mut asked)
        };
        let step = step(rule, limit, previous, slot_ms, samples.clone(), &mut write)?;
        asked.sort();
        asked.dedup();
        if asked.is_empty() || answers.len() + asked.len() > QUESTIONS_MAX {
            return Ok(step);
        }
        for question in asked {
            let answer = ask(engine, tenant, &question, query_ms).await;
            let samples = answer.map(|asked| asked.samples);
            answers.insert(question, samples);
        }
    }
    let mut write = |template: &str, sample: &Sample| {
        one((around, rule), template, sample, &answers, &mut Vec::new())
    };
    step(rule, limit, previous, slot_ms, samples, &mut write)
}

fn one(
    (around, rule): (Surroundings<'_>, &Rule),
    template: &str,
    sample: &Sample,
    answers: &HashMap<String, Answer>,
    asked: &mut Vec<String>,
) -> String {
    let alerting = rule.alerting();
    let data = RuleData {
        alert: &rule.name,
        labels: &sample.labels,
        external_labels: around.external_labels,
        external_url: around.external_url,
        value: &sample.value,
        more: More {
            expr: &rule.query,
            alert_id: Fingerprint::of(&sample.labels).0,
            group_id: around.group_id,
            active_ms: Some(around.now_ms),
            hold: alerting.map(|alerting| alerting.hold).unwrap_or_default(),
            interval: around.interval,
            partial: false,
        },
    };
    let mut query = |question: &str| match answers.get(question) {
        Some(answer) => answer.clone(),
        None => {
            asked.push(question.to_owned());
            Err("the question is not answered yet".to_owned())
        }
    };
    expand_or_tell(template, &data, &mut query, around.now_ms)
}
