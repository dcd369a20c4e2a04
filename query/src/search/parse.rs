//! Tokens to tree, by recursive descent: OR, below it AND, below it what is excluded.

use tarn_model::limits::Limits;

use super::ast::{Key, Op, Owner, Query, Term, TermKind, Value};
use super::lex::{Lexer, Token, resolve};
use super::{SearchError, Span};

/// Terms of one search: each is looked for in every row. A thousand ids pasted from a list still
/// fit.
pub(crate) const TERMS_MAX: usize = 1000;

/// Bounds of one search.
#[derive(Debug, Clone, Copy)]
pub struct ParseLimits {
    /// Bytes of the text.
    pub bytes_max: usize,
    /// Nesting of parentheses and of what is excluded.
    pub depth_max: usize,
}

impl From<&Limits> for ParseLimits {
    fn from(limits: &Limits) -> Self {
        Self { bytes_max: limits.search_bytes_max.as_usize(), depth_max: limits.search_depth_max }
    }
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

type Result<T> = std::result::Result<T, SearchError>;

/// Parses a search. The empty text finds everything.
///
/// # Errors
/// The text is no search, or beyond a limit.
pub fn parse(text: &str, limits: ParseLimits) -> Result<Query> {
    if text.len() > limits.bytes_max {
        let (bytes, max) = (text.len(), limits.bytes_max);
        let end = text.floor_char_boundary(max);
        let message = format!("the search has {bytes} bytes, limit is {max}");
        return Err(SearchError::new(message, Span::new(end, text.len())));
    }
    let lexer = Lexer::new(text);
    let mut parser = Parser { lexer, next: None, depth: 0, terms: 0, limits };
    if parser.peek()?.0 == Token::End {
        return Ok(Query::All);
    }
    let query = parser.or()?;
    match parser.take()? {
        (Token::End, _) => Ok(query),
        (_, span) => Err(SearchError::new("no parenthesis is open here", span)),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Option<(Token, Span)>,
    depth: usize,
    terms: usize,
    limits: ParseLimits,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Query> {
        let mut list = vec![self.and()?];
        while self.accept_keyword("OR")? {
            list.push(self.and()?);
        }
        Ok(one_or(list, Query::Or))
    }

    fn and(&mut self) -> Result<Query> {
        let mut list = vec![self.unary()?];
        loop {
            let wants_more = self.accept_keyword("AND")?;
            if !wants_more {
                let (token, span) = self.peek()?.clone();
                let ends = matches!(token, Token::End | Token::Close);
                if ends || self.is_keyword(&token, span, "OR") {
                    return Ok(one_or(list, Query::And));
                }
            }
            list.push(self.unary()?);
        }
    }

    fn unary(&mut self) -> Result<Query> {
        let (token, span) = self.peek()?.clone();
        if token != Token::Minus && !self.is_keyword(&token, span, "NOT") {
            return self.primary();
        }
        self.take()?;
        self.enter(span)?;
        let inner = self.unary()?;
        self.depth -= 1;
        Ok(Query::Not(Box::new(inner)))
    }

    fn primary(&mut self) -> Result<Query> {
        let (token, span) = self.take()?;
        match token {
            Token::Open => self.group(span),
            Token::Close => Err(SearchError::new("expected a term before ')'", span)),
            Token::End => Err(SearchError::new("expected a term, the search ends here", span)),
            Token::Word => self.word(span),
            Token::Phrase(text) => match self.lexer.operator() {
                Some((op, op_span)) if !text.is_empty() => {
                    let key = Key { owner: Owner::Any, name: text, span };
                    self.field(key, op, op_span)
                }
                Some(_) => Err(SearchError::new("the key has no name", span)),
                None => self.term(TermKind::Text(Value::Phrase(text)), span),
            },
            Token::Regex(text) => self.term(TermKind::Text(Value::Regex(text)), span),
            Token::Minus => Err(SearchError::new("expected a term", span)),
        }
    }

    fn group(&mut self, open: Span) -> Result<Query> {
        self.enter(open)?;
        let inner = self.or()?;
        self.depth -= 1;
        match self.take()? {
            (Token::Close, _) => Ok(inner),
            _ => Err(SearchError::new("this parenthesis is not closed", open)),
        }
    }

    fn word(&mut self, span: Span) -> Result<Query> {
        let word = self.lexer.slice(span);
        if let Some((op, op_span)) = self.lexer.operator() {
            let key = key(word, span)?;
            return self.field(key, op, op_span);
        }
        if matches!(word, "AND" | "OR") {
            let message = format!("{word} stands between two terms; the word goes in quotes");
            return Err(SearchError::new(message, span));
        }
        let glob = resolve(word);
        if glob.is_any() {
            self.count(span)?;
            return Ok(Query::All);
        }
        self.term(TermKind::Text(Value::Word(glob)), span)
    }

    fn field(&mut self, key: Key, op: Op, op_span: Span) -> Result<Query> {
        let (token, value_span) = self.lexer.value(op)?;
        let span = key.span.to(value_span);
        let value = match token {
            Token::Phrase(text) => Value::Phrase(text),
            Token::Regex(text) => Value::Regex(text),
            _ => Value::Word(resolve(self.lexer.slice(value_span))),
        };
        let is_any = matches!(&value, Value::Word(glob) if glob.is_any());
        match op {
            Op::Is | Op::Equal if is_any => return self.term(TermKind::Exists(key), span),
            Op::NotEqual if is_any => {
                let message = "nothing differs from '*'; rows without a key are -key:*";
                return Err(SearchError::new(message, op_span.to(value_span)));
            }
            _ => {}
        }
        let is_pattern = match &value {
            Value::Word(glob) => glob.as_literal().is_none(),
            Value::Phrase(_) => false,
            Value::Regex(_) => true,
        };
        if is_pattern && op.is_order() {
            let message = format!("'{}' compares with a number, not with a pattern", op.as_str());
            return Err(SearchError::new(message, op_span.to(value_span)));
        }
        self.term(TermKind::Field { key, op, value, value_span }, span)
    }

    fn term(&mut self, kind: TermKind, span: Span) -> Result<Query> {
        self.count(span)?;
        if let TermKind::Text(Value::Phrase(text)) = &kind
            && text.is_empty()
        {
            return Err(SearchError::new("the quotes are empty", span));
        }
        Ok(Query::Term(Term { kind, span }))
    }

    fn count(&mut self, span: Span) -> Result<()> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            let message = format!("the search has too many terms, limit is {TERMS_MAX}");
            return Err(SearchError::new(message, span));
        }
        Ok(())
    }

    fn enter(&mut self, span: Span) -> Result<()> {
        self.depth += 1;
        if self.depth > self.limits.depth_max {
            let message =
                format!("the search is nested too deep, limit is {}", self.limits.depth_max);
            return Err(SearchError::new(message, span));
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<&(Token, Span)> {
        let next = match self.next.take() {
            Some(next) => next,
            None => self.lexer.next()?,
        };
        Ok(self.next.insert(next))
    }

    fn take(&mut self) -> Result<(Token, Span)> {
        match self.next.take() {
            Some(next) => Ok(next),
            None => self.lexer.next(),
        }
    }

    fn accept_keyword(&mut self, keyword: &str) -> Result<bool> {
        let (token, span) = self.peek()?.clone();
        let accepted = self.is_keyword(&token, span, keyword);
        if accepted {
            self.take()?;
        }
        Ok(accepted)
    }

    /// Returns whether a token that was peeked at is a keyword, not a key of that name.
    fn is_keyword(&self, token: &Token, span: Span, keyword: &str) -> bool {
        *token == Token::Word && self.lexer.slice(span) == keyword && !self.lexer.is_at_operator()
    }
}

/// Reads whose a key is, and its name.
fn key(word: &str, span: Span) -> Result<Key> {
    let (owner, name) = match word.starts_with('@') {
        false => (Owner::Any, word),
        true => {
            let named =
                Owner::NAMED.into_iter().find_map(|o| Some((o, word.strip_prefix(o.prefix())?)));
            named.ok_or_else(|| {
                let message = "'@' names whose a key is: @attr.x, @resource.x or @scope.x";
                SearchError::new(message, span)
            })?
        }
    };
    let glob = resolve(name);
    match glob.as_literal() {
        Some("") => Err(SearchError::new("the key has no name", span)),
        Some(name) => Ok(Key { owner, name: name.to_owned(), span }),
        None => Err(SearchError::new("a key has no wildcards", span)),
    }
}

fn one_or(mut list: Vec<Query>, many: impl FnOnce(Vec<Query>) -> Query) -> Query {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        last => {
            list.extend(last);
            many(list)
        }
    }
}
