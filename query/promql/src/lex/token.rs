//! Tokens, the table of keywords, and how error messages name a token.

use crate::ast::{AggregateOp, BinaryOp, Span};
use crate::print::quote::quote;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The end of the text.
    Eof,
    /// A name without colons.
    Identifier,
    /// A name with colons, which only metrics may have.
    MetricIdentifier,
    /// A string with its quotes.
    String,
    /// A number.
    Number,
    /// A number with units.
    Duration,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `{`
    LeftBrace,
    /// `}`
    RightBrace,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `,`
    Comma,
    /// `:` inside brackets
    Colon,
    /// `=`
    Assign,
    /// `=~`
    RegexMatch,
    /// `!~`
    RegexNoMatch,
    /// `@`
    At,
    /// An operator between expressions.
    Binary(BinaryOp),
    /// The name of an aggregation operator.
    Aggregate(AggregateOp),
    /// A word that modifies.
    Keyword(Keyword),
    /// A word that names a property of the query or a duration function.
    Preprocessor(Preprocessor),
}

impl TokenKind {
    /// Returns whether a metric may have the token as its name. Few keywords are reserved words.
    pub(crate) fn is_metric_name(self) -> bool {
        match self {
            Self::Identifier
            | Self::MetricIdentifier
            | Self::Aggregate(_)
            | Self::Preprocessor(_)
            | Self::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => true,
            Self::Keyword(word) => !matches!(
                word,
                Keyword::Bool
                    | Keyword::On
                    | Keyword::Ignoring
                    | Keyword::GroupLeft
                    | Keyword::GroupRight
            ),
            _ => false,
        }
    }
}

/// Words that modify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    /// `anchored`
    Anchored,
    /// `bool`
    Bool,
    /// `by`
    By,
    /// `fill`
    Fill,
    /// `fill_left`
    FillLeft,
    /// `fill_right`
    FillRight,
    /// `group_left`
    GroupLeft,
    /// `group_right`
    GroupRight,
    /// `ignoring`
    Ignoring,
    /// `offset`
    Offset,
    /// `on`
    On,
    /// `smoothed`
    Smoothed,
    /// `without`
    Without,
}

/// Words that are functions of the query rather than of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preprocessor {
    /// `start`
    Start,
    /// `end`
    End,
    /// `step`
    Step,
    /// `range`
    Range,
    /// `min_of`
    MinOf,
    /// `max_of`
    MaxOf,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// Its text.
    pub(crate) text: &'a str,
    /// Its place.
    pub(crate) span: Span,
}

impl Token<'_> {
    /// Returns how error messages name the token.
    pub(crate) fn describe(&self) -> String {
        let text = self.text;
        match self.kind {
            TokenKind::Eof => "end of input".to_owned(),
            TokenKind::Identifier => format!("identifier {}", quote(text)),
            TokenKind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            TokenKind::String => format!("string {}", shortened(text)),
            TokenKind::Number => format!("number {}", shortened(text)),
            TokenKind::Duration => format!("duration {}", shortened(text)),
            TokenKind::Keyword(_) => format!("<{text}>"),
            TokenKind::Aggregate(_) => format!("<aggr:{text}>"),
            TokenKind::Binary(_)
            | TokenKind::At
            | TokenKind::RegexMatch
            | TokenKind::RegexNoMatch => format!("<op:{text}>"),
            _ => shortened(text),
        }
    }
}

/// Quotes a text, of more than ten bytes only the first ten characters.
fn shortened(text: &str) -> String {
    if text.len() > 10 {
        format!("{}...", quote(&text.chars().take(10).collect::<String>()))
    } else {
        quote(text)
    }
}

const AGGREGATES: [AggregateOp; 14] = [
    AggregateOp::Sum,
    AggregateOp::Avg,
    AggregateOp::Count,
    AggregateOp::Min,
    AggregateOp::Max,
    AggregateOp::Group,
    AggregateOp::Stddev,
    AggregateOp::Stdvar,
    AggregateOp::Topk,
    AggregateOp::Bottomk,
    AggregateOp::CountValues,
    AggregateOp::Quantile,
    AggregateOp::Limitk,
    AggregateOp::LimitRatio,
];

/// Returns what a lower-case word is, unless it is an identifier.
pub(super) fn keyword(word: &str) -> Option<TokenKind> {
    let kind = match word {
        "and" => TokenKind::Binary(BinaryOp::And),
        "or" => TokenKind::Binary(BinaryOp::Or),
        "unless" => TokenKind::Binary(BinaryOp::Unless),
        "atan2" => TokenKind::Binary(BinaryOp::Atan2),
        "anchored" => TokenKind::Keyword(Keyword::Anchored),
        "bool" => TokenKind::Keyword(Keyword::Bool),
        "by" => TokenKind::Keyword(Keyword::By),
        "fill" => TokenKind::Keyword(Keyword::Fill),
        "fill_left" => TokenKind::Keyword(Keyword::FillLeft),
        "fill_right" => TokenKind::Keyword(Keyword::FillRight),
        "group_left" => TokenKind::Keyword(Keyword::GroupLeft),
        "group_right" => TokenKind::Keyword(Keyword::GroupRight),
        "ignoring" => TokenKind::Keyword(Keyword::Ignoring),
        "offset" => TokenKind::Keyword(Keyword::Offset),
        "on" => TokenKind::Keyword(Keyword::On),
        "smoothed" => TokenKind::Keyword(Keyword::Smoothed),
        "without" => TokenKind::Keyword(Keyword::Without),
        "start" => TokenKind::Preprocessor(Preprocessor::Start),
        "end" => TokenKind::Preprocessor(Preprocessor::End),
        "step" => TokenKind::Preprocessor(Preprocessor::Step),
        "range" => TokenKind::Preprocessor(Preprocessor::Range),
        "min_of" => TokenKind::Preprocessor(Preprocessor::MinOf),
        "max_of" => TokenKind::Preprocessor(Preprocessor::MaxOf),
        "inf" | "nan" => TokenKind::Number,
        _ => {
            return AGGREGATES.into_iter().find(|op| op.as_str() == word).map(TokenKind::Aggregate);
        }
    };
    Some(kind)
}
