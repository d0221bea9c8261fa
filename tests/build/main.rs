//! Builds: what Dockerfiles give, compared with what is written beside them and, where
//! asked for, with what another builder makes of them.

mod archive;
mod builder;
mod cache;
mod case;
mod docker;
mod outcome;
mod peers;
mod suite;
mod talk;
mod under_way;
