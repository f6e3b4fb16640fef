//! `enforcer trace` as a user runs it: manifests in files, questions and answers as text.

mod command;
mod scenarios;
mod speed;
mod words;
