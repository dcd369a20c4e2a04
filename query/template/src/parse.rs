//! Tokens to trees: a recursive descent over Go's grammar, whose depth is limited.
//!
//! A [`Set`] is what Go calls associated templates: texts are parsed into it one after the other, each
//! under a name; `define` and `block` add further names. A later text may define a name anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, place};
use crate::format::quote;
use crate::lex::{Tok, Token, lex};
use crate::node::{Branch, Node, Tree, is_blank};

mod number;
mod pipeline;
pub(crate) mod unquote;

/// Blocks, parentheses and `else if` may not nest deeper: parsing and executing recurse.
const MAX_DEPTH: usize = 100;
/// A longer text is no template that somebody wrote.
const MAX_TEXT: usize = 1 << 20;

/// Templates by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Set {
    trees: BTreeMap<Arc<str>, Arc<Tree>>,
}

impl Set {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses a text and adds the templates in it: one of the name given, and those that it defines.
    /// `known` tells which functions the caller has, beside those of the language.
    ///
    /// # Errors
    /// A mistake in the text; then nothing was added.
    pub fn parse(
        &mut self,
        name: &str,
        text: &str,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        if text.len() > MAX_TEXT {
            let message =
                format!("template: {name}: text of {} bytes is longer than {MAX_TEXT}", text.len());
            return Err(Error { limit: true, ..Error::plain(message) });
        }
        let text = Arc::<str>::from(text);
        for tree in parse(&Arc::from(name), &text, known)? {
            let blank = is_blank(&tree.root);
            if !blank || !self.trees.contains_key(&tree.name) {
                self.trees.insert(Arc::clone(&tree.name), Arc::new(tree));
            }
        }
        Ok(())
    }

    /// Returns the names of all templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trees.keys().map(|name| &**name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Tree> {
        self.trees.get(name).map(|tree| &**tree)
    }
}

fn parse(
    name: &Arc<str>,
    text: &Arc<str>,
    known: &dyn Fn(&str) -> bool,
) -> Result<Vec<Tree>, Error> {
    let mut parser = Parser {
        name,
        text,
        known,
        tokens: lex(text),
        at: 0,
        seen: 0,
        action: None,
        vars: vec!["$".into()],
        ranges: 0,
        depth: 0,
        trees: Vec::new(),
    };
    let root = parser.top()?;
    parser.add(Arc::clone(name), root)?;
    Ok(parser.trees)
}

struct Parser<'a> {
    name: &'a Arc<str>,
    text: &'a Arc<str>,
    known: &'a dyn Fn(&str) -> bool,
    tokens: Vec<Token<'a>>,
    /// The next token.
    at: usize,
    /// The last one that was looked at: errors name its line.
    seen: usize,
    /// Where the action began.
    action: Option<usize>,
    vars: Vec<Arc<str>>,
    ranges: usize,
    depth: usize,
    trees: Vec<Tree>,
}

/// What ends a list of nodes.
enum Ending {
    End,
    Else,
}

impl Ending {
    fn text(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

impl<'a> Parser<'a> {
    /// The message names the line of the last token that was looked at, as Go's does; the place is
    /// that of the last one that was taken.
    fn error(&self, message: &str) -> Error {
        let position = |at: usize| self.tokens.get(at).map_or(0, |token| token.pos);
        let ended =
            self.tokens.get(self.seen).is_some_and(|t| matches!(t.kind, Tok::Eof | Tok::Bad));
        let (said, _) = place(self.text, position(self.seen));
        let taken = if ended { self.seen } else { self.at.saturating_sub(1) };
        let (line, column) = place(self.text, position(taken));
        let reason = message.to_owned();
        let message = format!("template: {}:{said}: {reason}", self.name);
        Error { message, reason, line, column: column + 1, limit: false }
    }

    fn unexpected(&self, token: &Token<'_>, context: &str) -> Error {
        if token.kind != Tok::Bad {
            return self.error(&format!("unexpected {token} in {context}"));
        }
        let line = |pos| place(self.text, pos).0;
        let began = self.action.map(line).filter(|began| *began != line(token.pos));
        let extra = match began {
            Some(began) if token.error.ends_with(" action") => {
                format!(" started at {}:{began}", self.name)
            }
            Some(began) => format!(" in action started at {}:{began}", self.name),
            None => String::new(),
        };
        self.error(&format!("{token}{extra}"))
    }

    fn token(&mut self, at: usize) -> Token<'a> {
        let at = at.min(self.tokens.len() - 1);
        self.seen = self.seen.max(at);
        self.tokens[at].clone()
    }

    fn next(&mut self) -> Token<'a> {
        let token = self.token(self.at);
        self.at += 1;
        token
    }

    fn peek(&mut self) -> Token<'a> {
        self.token(self.at)
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Tok::Space {
            self.at += 1;
        }
    }

    fn next_solid(&mut self) -> Token<'a> {
        self.skip_space();
        self.next()
    }

    fn peek_solid(&mut self) -> Token<'a> {
        self.skip_space();
        self.peek()
    }

    fn expect(&mut self, kind: Tok, context: &str) -> Result<Token<'a>, Error> {
        let token = self.next_solid();
        if token.kind != kind {
            return Err(self.unexpected(&token, context));
        }
        Ok(token)
    }

    /// Counts a level of nesting.
    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let error = self.error(&format!("nested deeper than {MAX_DEPTH}"));
            return Err(Error { limit: true, ..error });
        }
        Ok(())
    }

    fn add(&mut self, name: Arc<str>, root: Vec<Node>) -> Result<(), Error> {
        let tree =
            Tree { name, parse_name: Arc::clone(self.name), text: Arc::clone(self.text), root };
        match self.trees.iter().position(|known| known.name == tree.name) {
            None => self.trees.push(tree),
            Some(at) if is_blank(&self.trees[at].root) => self.trees[at] = tree,
            Some(_) if is_blank(&tree.root) => {}
            Some(_) => {
                let name = quote(&tree.name);
                return Err(
                    self.error(&format!("template: multiple definition of template {name}"))
                );
            }
        }
        Ok(())
    }

    /// The whole text; only here may templates be defined.
    fn top(&mut self) -> Result<Vec<Node>, Error> {
        let mut nodes = Vec::new();
        while self.peek().kind != Tok::Eof {
            if self.peek().kind == Tok::Left {
                let back = self.at;
                self.action = Some(self.next().pos);
                if self.next_solid().kind == Tok::Define {
                    self.definition()?;
                    continue;
                }
                self.at = back;
            }
            match self.text_or_action()? {
                Ok(node) => nodes.push(node),
                Err(ending) => return Err(self.error(&format!("unexpected {}", ending.text()))),
            }
        }
        Ok(nodes)
    }

    fn definition(&mut self) -> Result<(), Error> {
        const CONTEXT: &str = "define clause";
        let name = self.template_name(CONTEXT)?;
        self.expect(Tok::Right, CONTEXT)?;
        self.body(name, CONTEXT)
    }

    /// The nodes of a template defined inside the text, up to its end. It sees no variables.
    fn body(&mut self, name: Arc<str>, context: &str) -> Result<(), Error> {
        let vars = std::mem::replace(&mut self.vars, vec!["$".into()]);
        let ranges = std::mem::take(&mut self.ranges);
        self.deeper()?;
        let (root, ending) = self.list()?;
        if matches!(ending, Ending::Else) {
            return Err(self.error(&format!("unexpected {} in {context}", ending.text())));
        }
        self.depth -= 1;
        self.vars = vars;
        self.ranges = ranges;
        self.add(name, root)
    }

    fn template_name(&mut self, context: &str) -> Result<Arc<str>, Error> {
        let token = self.next_solid();
        match token.kind {
            Tok::String | Tok::RawString => self.unquote(token.text),
            _ => Err(self.unexpected(&token, context)),
        }
    }

    fn unquote(&self, text: &str) -> Result<Arc<str>, Error> {
        unquote::string(text).map(Arc::from).ok_or_else(|| self.error("invalid syntax"))
    }

    /// Nodes up to `end` or `else`.
    fn list(&mut self) -> Result<(Vec<Node>, Ending), Error> {
        let mut nodes = Vec::new();
        while self.peek_solid().kind != Tok::Eof {
            match self.text_or_action()? {
                Ok(node) => nodes.push(node),
                Err(ending) => return Ok((nodes, ending)),
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Result<Result<Node, Ending>, Error> {
        let token = self.next_solid();
        match token.kind {
            Tok::Text => Ok(Ok(Node::Text { text: Arc::from(token.text) })),
            Tok::Left => {
                self.action = Some(token.pos);
                let node = self.action();
                self.action = None;
                node
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Result<Result<Node, Ending>, Error> {
        let token = self.next_solid();
        let node = match token.kind {
            Tok::Block => self.block()?,
            Tok::Else => {
                // `else if` and `else with` leave their keyword to who takes the branch.
                if !matches!(self.peek_solid().kind, Tok::If | Tok::With) {
                    self.expect(Tok::Right, "else")?;
                }
                return Ok(Err(Ending::Else));
            }
            Tok::End => {
                self.expect(Tok::Right, "end")?;
                return Ok(Err(Ending::End));
            }
            Tok::If => Node::If(self.control("if")?),
            Tok::Range => Node::Range(self.control("range")?),
            Tok::With => Node::With(self.control("with")?),
            Tok::Template => self.template()?,
            Tok::Break => self.leave("break", Node::Break)?,
            Tok::Continue => self.leave("continue", Node::Continue)?,
            _ => {
                self.at -= 1;
                Node::Action { pos: token.pos, pipe: self.pipeline("command", Tok::Right)? }
            }
        };
        Ok(Ok(node))
    }

    fn leave(&mut self, word: &str, node: Node) -> Result<Node, Error> {
        let token = self.next_solid();
        if token.kind != Tok::Right {
            return Err(self.unexpected(&token, &format!("{{{{{word}}}}}")));
        }
        match self.ranges {
            0 => Err(self.error(&format!("{{{{{word}}}}} outside {{{{range}}}}"))),
            _ => Ok(node),
        }
    }

    fn control(&mut self, context: &str) -> Result<Branch, Error> {
        self.deeper()?;
        let vars = self.vars.len();
        let pipe = self.pipeline(context, Tok::Right)?;
        let ranges = usize::from(context == "range");
        self.ranges += ranges;
        let (list, ending) = self.list()?;
        self.ranges -= ranges;
        let other = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(context)?),
        };
        self.vars.truncate(vars);
        self.depth -= 1;
        Ok(Branch { pipe, list, other })
    }

    fn otherwise(&mut self, context: &str) -> Result<Vec<Node>, Error> {
        match (context, self.peek().kind) {
            ("if", Tok::If) => {
                self.next();
                Ok(vec![Node::If(self.control(context)?)])
            }
            ("with", Tok::With) => {
                self.next();
                Ok(vec![Node::With(self.control(context)?)])
            }
            _ => {
                let (list, ending) = self.list()?;
                match ending {
                    Ending::End => Ok(list),
                    Ending::Else => Err(self.error("expected end; found {{else}}")),
                }
            }
        }
    }

    fn block(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "block clause";
        let pos = self.peek_solid().pos;
        let name = self.template_name(CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Tok::Right)?;
        self.body(Arc::clone(&name), CONTEXT)?;
        Ok(Node::Template { pos, name, pipe: Some(pipe) })
    }

    fn template(&mut self) -> Result<Node, Error> {
        const CONTEXT: &str = "template clause";
        let pos = self.peek_solid().pos;
        let name = self.template_name(CONTEXT)?;
        if self.next_solid().kind == Tok::Right {
            return Ok(Node::Template { pos, name, pipe: None });
        }
        self.at -= 1;
        Ok(Node::Template { pos, name, pipe: Some(self.pipeline(CONTEXT, Tok::Right)?) })
    }
}
