//! The table of routes: whoever adds one adds it to the router and to the document with the same call.
//!
//! Invariants:
//! - The router has exactly the routes that the document names. Nothing else in `shell/http` makes routes, but for the
//!   console's pages; a test reads the sources for that.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use serde_json::Value;

use super::described::{Described, Operation, Schemas};
use super::problem::Kind;
use crate::shell::http::App;

/// What a signature cannot say of a route.
#[derive(Clone, Copy)]
pub(super) struct About {
    /// Its name in the document, and in programs that are generated from it.
    pub(super) id: &'static str,
    /// What it does, in one line.
    pub(super) summary: &'static str,
    /// What else to know.
    pub(super) more: &'static str,
    /// When the present state does not allow it.
    pub(super) conflict: Option<&'static str>,
}

/// A route's name and what it does.
pub(super) const fn about(id: &'static str, summary: &'static str) -> About {
    About { id, summary, more: "", conflict: None }
}

impl About {
    /// Adds what else to know.
    pub(super) const fn more(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    /// Adds when it is answered 409.
    pub(super) const fn conflict(self, when: &'static str) -> Self {
        Self { conflict: Some(when), ..self }
    }
}

/// A route of the document.
pub(super) struct Entry {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) section: &'static str,
    pub(super) about: About,
    pub(super) operation: Operation,
}

/// All routes, and what is known of them.
pub(super) struct Table {
    router: Router<App>,
    /// What the paths of the present section begin with.
    prefix: &'static str,
    section: &'static str,
    pub(super) sections: Vec<(&'static str, &'static str)>,
    pub(super) entries: Vec<Entry>,
    pub(super) schemas: Schemas,
}

impl Table {
    /// An empty table.
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            prefix: "",
            section: "",
            sections: Vec::new(),
            entries: Vec::new(),
            schemas: Schemas::default(),
        }
    }

    /// Begins a section, or goes on with one: the routes that follow belong to it, and their paths begin with `prefix`.
    pub(super) fn section(&mut self, name: &'static str, prefix: &'static str, what: &'static str) -> &mut Self {
        if !self.sections.iter().any(|(known, _)| *known == name) {
            self.sections.push((name, what));
        }
        self.section = name;
        self.prefix = prefix;
        self
    }

    /// Adds a `GET`, and with it `HEAD`.
    pub(super) fn get<H, T>(&mut self, path: &str, handler: H, about: About) -> &mut Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.add(Method::GET, MethodFilter::GET, path, handler, about)
    }

    /// Adds a `POST`.
    pub(super) fn post<H, T>(&mut self, path: &str, handler: H, about: About) -> &mut Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.add(Method::POST, MethodFilter::POST, path, handler, about)
    }

    /// Adds a `PUT`.
    pub(super) fn put<H, T>(&mut self, path: &str, handler: H, about: About) -> &mut Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.add(Method::PUT, MethodFilter::PUT, path, handler, about)
    }

    /// Adds a `PATCH`.
    pub(super) fn patch<H, T>(&mut self, path: &str, handler: H, about: About) -> &mut Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.add(Method::PATCH, MethodFilter::PATCH, path, handler, about)
    }

    /// Adds a `DELETE`.
    pub(super) fn delete<H, T>(&mut self, path: &str, handler: H, about: About) -> &mut Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        self.add(Method::DELETE, MethodFilter::DELETE, path, handler, about)
    }

    fn add<H, T>(&mut self, method: Method, filter: MethodFilter, path: &str, handler: H, about: About) -> &mut Self
    where
        H: Handler<T, App> + Described<T>,
        T: 'static,
    {
        let mut operation = Operation::default();
        H::describe(&mut operation, &mut self.schemas);
        self.insert(method, path, Some(on(filter, handler)), about, operation)
    }

    /// Adds a route without a token whose handler speaks HTTP itself; `answers` are described by hand.
    pub(super) fn open(
        &mut self,
        method: Method,
        path: &str,
        handler: MethodRouter<App>,
        about: About,
        answers: &[(u16, Value)],
    ) -> &mut Self {
        let answers = answers.iter().cloned().collect();
        self.insert(method, path, Some(handler), about, Operation { answers, ..Operation::default() })
    }

    /// Adds to the document what is answered before the router is asked.
    pub(super) fn answered_before(
        &mut self,
        method: Method,
        path: &str,
        about: About,
        describe: impl FnOnce(&mut Operation, &mut Schemas),
    ) -> &mut Self {
        let mut operation = Operation::default();
        describe(&mut operation, &mut self.schemas);
        self.insert(method, path, None, about, operation)
    }

    fn insert(
        &mut self,
        method: Method,
        path: &str,
        handler: Option<MethodRouter<App>>,
        about: About,
        mut operation: Operation,
    ) -> &mut Self {
        let path = format!("{}{path}", self.prefix);
        if let Some(handler) = handler {
            self.router = std::mem::take(&mut self.router).route(&path, handler);
        }
        if about.conflict.is_some() {
            operation.problems.insert(Kind::Conflict);
        }
        self.entries.push(Entry { method, path, section: self.section, about, operation });
        self
    }

    /// The router of all routes.
    pub(super) fn router(&mut self) -> Router<App> {
        std::mem::take(&mut self.router)
    }
}
