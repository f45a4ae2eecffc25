//! What the edge of the house does to requests and answers.

#[cfg(test)]
mod edge;
