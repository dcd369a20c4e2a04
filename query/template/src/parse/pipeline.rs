//! What stands inside of an action: declarations, commands with pipes between them, operands.

use std::sync::Arc;

use super::{Parser, number};
use crate::error::Error;
use crate::format::quote;
use crate::lex::Tok;
use crate::node::{Command, Expr, Pipe};

impl Parser<'_> {
    /// Declarations, then commands with pipes between them.
    pub(super) fn pipeline(&mut self, context: &str, end: Tok) -> Result<Pipe, Error> {
        let pos = self.peek_solid().pos;
        let mut pipe = Pipe { pos, assign: false, declared: Vec::new(), commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_solid();
            match token.kind {
                kind if kind == end => return self.checked(pipe, context),
                Tok::Bool
                | Tok::CharConstant
                | Tok::Complex
                | Tok::Dot
                | Tok::Field
                | Tok::Identifier
                | Tok::Number
                | Tok::Nil
                | Tok::RawString
                | Tok::String
                | Tok::Variable
                | Tok::LeftParen => {
                    self.at -= 1;
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
    }

    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Result<(), Error> {
        while self.peek_solid().kind == Tok::Variable {
            let back = self.at;
            let name = Arc::<str>::from(self.next().text);
            let sign = self.peek_solid();
            match sign.kind {
                Tok::Assign | Tok::Declare => {
                    self.next();
                    pipe.assign = sign.kind == Tok::Assign;
                    pipe.declared.push(Arc::clone(&name));
                    self.vars.push(name);
                    return Ok(());
                }
                Tok::Char if sign.text == "," => {
                    self.next();
                    pipe.declared.push(Arc::clone(&name));
                    self.vars.push(name);
                    if context != "range" || pipe.declared.len() > 1 {
                        return Err(self.error(&format!("too many declarations in {context}")));
                    }
                    let follows = self.peek_solid().kind;
                    if !matches!(follows, Tok::Variable | Tok::Right | Tok::RightParen) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                _ => {
                    self.at = back;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn checked(&self, pipe: Pipe, context: &str) -> Result<Pipe, Error> {
        if pipe.commands.is_empty() {
            return Err(self.error(&format!("missing value for {context}")));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            let value = matches!(
                command.args.first(),
                Some(
                    Expr::Bool { .. }
                        | Expr::Dot { .. }
                        | Expr::Nil { .. }
                        | Expr::Number { .. }
                        | Expr::Text { .. }
                )
            );
            if value {
                let stage = i + 1;
                return Err(
                    self.error(&format!("non executable command in pipeline stage {stage}"))
                );
            }
        }
        Ok(pipe)
    }

    fn command(&mut self) -> Result<Command, Error> {
        let mut command = Command { pos: self.peek_solid().pos, args: Vec::new() };
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Tok::Space => {}
                Tok::Right | Tok::RightParen => {
                    self.at -= 1;
                    break;
                }
                Tok::Pipe => break,
                _ => return Err(self.unexpected(&token, "operand")),
            }
        }
        if command.args.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(command)
    }

    /// A term and the fields behind it.
    fn operand(&mut self) -> Result<Option<Expr>, Error> {
        let Some(term) = self.term()? else { return Ok(None) };
        let pos = self.peek().pos;
        let mut more = Vec::new();
        while self.peek().kind == Tok::Field {
            more.push(field_name(self.next().text));
        }
        if more.is_empty() {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Expr::Field { mut names, .. } => {
                names.append(&mut more);
                Expr::Field { pos, names }
            }
            Expr::Variable { mut names, .. } => {
                names.append(&mut more);
                Expr::Variable { pos, names }
            }
            Expr::Function { .. } | Expr::Pipe(_) | Expr::Chain { .. } => {
                Expr::Chain { pos, of: Box::new(term), names: more }
            }
            other => {
                let term = quote(&other.to_string());
                return Err(self.error(&format!("unexpected . after term {term}")));
            }
        }))
    }

    fn term(&mut self) -> Result<Option<Expr>, Error> {
        let token = self.next_solid();
        let pos = token.pos;
        Ok(Some(match token.kind {
            Tok::Identifier => {
                if !crate::builtins::is_builtin(token.text) && !(self.known)(token.text) {
                    let name = quote(token.text);
                    return Err(self.error(&format!("function {name} not defined")));
                }
                Expr::Function { pos, name: Arc::from(token.text) }
            }
            Tok::Dot => Expr::Dot { pos },
            Tok::Nil => Expr::Nil { pos },
            Tok::Variable => {
                if !self.vars.iter().any(|name| **name == *token.text) {
                    let name = quote(token.text);
                    return Err(self.error(&format!("undefined variable {name}")));
                }
                Expr::Variable { pos, names: vec![Arc::from(token.text)] }
            }
            Tok::Field => Expr::Field { pos, names: vec![field_name(token.text)] },
            Tok::Bool => Expr::Bool { pos, value: token.text == "true" },
            Tok::CharConstant | Tok::Complex | Tok::Number => {
                let number = number::parse(token.text, token.kind).map_err(|e| self.error(&e))?;
                Expr::Number { pos, number }
            }
            Tok::LeftParen => {
                self.deeper()?;
                let pipe = self.pipeline("parenthesized pipeline", Tok::RightParen)?;
                self.depth -= 1;
                Expr::Pipe(pipe)
            }
            Tok::String | Tok::RawString => {
                Expr::Text { pos, quoted: Arc::from(token.text), text: self.unquote(token.text)? }
            }
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        }))
    }
}

fn field_name(text: &str) -> Arc<str> {
    Arc::from(text.strip_prefix('.').unwrap_or(text))
}
