//! Chains of scripted models, on a clock that only moves when all wait.

mod circuits;
mod links;
mod stage;
mod takeovers;
mod telling;
mod windows;
