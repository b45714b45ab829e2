//! A cursor over a parsed document that moves along the tape and the structural index in step, so
//! that every value is known both as parsed and as the bytes that stood in the file.

use simd_json::{Node, StaticNode};

/// A value at the cursor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    String(&'a str),
    Static(StaticNode),
    Object { len: usize },
    Array { len: usize },
}

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    nodes: &'a [Node<'a>],
    /// Byte offsets in `raw` of every bracket, colon, comma and start of a scalar.
    structurals: &'a [u32],
    raw: &'a [u8],
    node: usize,
    structural: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(nodes: &'a [Node<'a>], structurals: &'a [u32], raw: &'a [u8]) -> Self {
        Self { nodes, structurals, raw, node: 0, structural: 0 }
    }

    pub(super) fn peek(&self) -> Value<'a> {
        match self.nodes[self.node] {
            Node::String(s) => Value::String(s),
            Node::Static(s) => Value::Static(s),
            Node::Object { len, .. } => Value::Object { len },
            Node::Array { len, .. } => Value::Array { len },
        }
    }

    /// Steps into the object or array at the cursor: onto its first key or element.
    pub(super) fn enter(&mut self) {
        self.node += 1;
        self.structural += 1;
    }

    /// Takes the key at the cursor and steps onto its value.
    pub(super) fn key(&mut self) -> &'a str {
        let Node::String(key) = self.nodes[self.node] else { return "" };
        self.node += 1;
        self.structural += 2; // the key and its colon
        key
    }

    /// Steps over the separator behind a value: the comma, or the closing bracket of what is left.
    pub(super) fn separator(&mut self) {
        self.structural += 1;
    }

    /// Leaves an empty object or array that was entered.
    pub(super) fn leave_empty(&mut self) {
        self.structural += 1;
    }

    /// Steps over a scalar, leaving the cursor on the separator.
    pub(super) fn skip_scalar(&mut self) {
        self.node += 1;
        self.structural += 1;
    }

    /// Steps over any value and returns its bytes as they stood in the file.
    pub(super) fn raw_value(&mut self) -> &'a [u8] {
        let start = self.structurals[self.structural] as usize;
        match self.nodes[self.node] {
            Node::Object { count, .. } | Node::Array { count, .. } => {
                self.node += count + 1;
                let end = self.close();
                &self.raw[start..=end]
            }
            Node::String(_) | Node::Static(_) => {
                self.skip_scalar();
                let end =
                    self.structurals.get(self.structural).map_or(self.raw.len(), |&s| s as usize);
                self.raw[start..end].trim_ascii_end()
            }
        }
    }

    /// The offset of the value at the cursor.
    pub(super) fn mark(&self) -> usize {
        self.structurals[self.structural] as usize
    }

    /// The bytes from `start` to the end of the object or array that was just left.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        let end = self.structurals[self.structural - 1] as usize;
        &self.raw[start..=end]
    }

    /// Steps behind the bracket that closes the one at the cursor and returns its offset.
    fn close(&mut self) -> usize {
        let mut depth = 0usize;
        loop {
            let at = self.structurals[self.structural] as usize;
            self.structural += 1;
            match self.raw[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
    }
}
