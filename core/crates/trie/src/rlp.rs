//! RLP of nodes, yellow paper appendix D: `[path, value]`, `[path, child]`, `[child × 16, ""]`.

use crate::node::{Branch, BranchHead, Child, Ext, Leaf, Marks, Node};
use crate::path::{KEY_NIBBLES, read_compact, with_nibble, write_compact};
use crate::value::{VALUE_BYTES_MAX, Value};
use alloy_primitives::B256;
use alloy_rlp::{EMPTY_STRING_CODE, Header};
use triomphe::{Arc, ThinArc};

/// Room for a list header before the payload.
const HEADER_BYTES_MAX: usize = 3;
/// Payload of a branch with 16 hashed children, the largest node.
const PAYLOAD_BYTES_MAX: usize = 16 * 33 + 1;
/// A node with a shorter RLP is embedded in its parent.
pub(crate) const HASHED_BYTES_MIN: usize = 32;

/// A reusable buffer that nodes are encoded in.
pub(crate) struct Scratch {
    bytes: [u8; HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX],
    end: usize,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX], end: 0 }
    }

    /// The RLP of `node`, whose children all have their hashes.
    pub(crate) fn encode<V: Value>(&mut self, node: &Node<V>) -> &[u8] {
        self.end = HEADER_BYTES_MAX;
        match node {
            Node::Leaf(leaf) => {
                self.path(&leaf.key, leaf.depth as usize, KEY_NIBBLES, true);
                let mut value = [0; VALUE_BYTES_MAX];
                let length = leaf.value.encode(&mut value);
                self.string(&value[..length]);
            }
            Node::Ext(ext) => {
                self.path(&ext.key, ext.start as usize, ext.end as usize, false);
                self.child(&ext.child);
            }
            Node::Branch(branch) => {
                let occupied = branch.header.header.occupied;
                let mut children = branch.slice.iter();
                for nibble in 0..16 {
                    match if occupied >> nibble & 1 == 1 { children.next() } else { None } {
                        Some(child) => self.child(child),
                        None => self.raw(&[EMPTY_STRING_CODE]),
                    }
                }
                self.raw(&[EMPTY_STRING_CODE]);
            }
        }
        self.close()
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    fn string(&mut self, bytes: &[u8]) {
        match bytes {
            [byte] if *byte < EMPTY_STRING_CODE => {}
            _ if bytes.len() < 56 => self.raw(&[EMPTY_STRING_CODE + bytes.len() as u8]),
            _ => self.raw(&[0xb8, bytes.len() as u8]),
        }
        self.raw(bytes);
    }

    fn path(&mut self, key: &B256, start: usize, end: usize, leaf: bool) {
        let mut compact = [0; 33];
        let length = write_compact(key, start, end, leaf, &mut compact);
        self.string(&compact[..length]);
    }

    #[inline]
    fn child<V: Value>(&mut self, child: &Child<V>) {
        match child {
            Child::Hashed { hash, .. } => {
                self.bytes[self.end] = EMPTY_STRING_CODE + 32;
                self.bytes[self.end + 1..self.end + 33].copy_from_slice(&hash.0);
                self.end += 33;
            }
            Child::Embedded(node) => self.raw(Scratch::new().encode(node)),
        }
    }

    /// Put the list header right before the payload.
    fn close(&mut self) -> &[u8] {
        let length = self.end - HEADER_BYTES_MAX;
        let [high, low] = (length as u16).to_be_bytes();
        let start = match length {
            0..56 => {
                self.bytes[2] = 0xc0 + low;
                2
            }
            56..256 => {
                self.bytes[1..3].copy_from_slice(&[0xf8, low]);
                1
            }
            _ => {
                self.bytes[..3].copy_from_slice(&[0xf9, high, low]);
                0
            }
        };
        &self.bytes[start..self.end]
    }
}

/// Read the node at the first `depth` nibbles of `prefix`, as loaded from disk in `generation`.
pub(crate) fn decode<V: Value>(
    mut rlp: &[u8],
    prefix: &B256,
    depth: usize,
    generation: u32,
) -> Result<Node<V>, &'static str> {
    let payload = Header::decode_bytes(&mut rlp, true).map_err(|_| "not a list")?;
    if !rlp.is_empty() {
        return Err("bytes after the node");
    }
    let mut items = payload;
    let first = next_item(&mut items)?;
    let second = next_item(&mut items)?;
    let place = Place { prefix, depth, generation };
    if items.is_empty() { place.short(first, second) } else { place.branch(payload) }
}

/// One element of a list: its payload, its whole encoding, and whether it is itself a list.
#[derive(Clone, Copy)]
struct Item<'a> {
    payload: &'a [u8],
    whole: &'a [u8],
    list: bool,
}

fn next_item<'a>(rest: &mut &'a [u8]) -> Result<Item<'a>, &'static str> {
    let start = *rest;
    let header = Header::decode(rest).map_err(|_| "a broken element")?;
    let (payload, after) = rest.split_at_checked(header.payload_length).ok_or("a broken element")?;
    *rest = after;
    Ok(Item { payload, whole: &start[..start.len() - after.len()], list: header.list })
}

/// Where the node that is being read stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    prefix: &'a B256,
    depth: usize,
    generation: u32,
}

impl Place<'_> {
    fn marks(&self) -> Marks {
        Marks::new(self.generation, true)
    }

    fn short<V: Value>(&self, path: Item<'_>, content: Item<'_>) -> Result<Node<V>, &'static str> {
        let (key, end, leaf) =
            (!path.list).then(|| read_compact(path.payload, self.prefix, self.depth)).flatten().ok_or("a bad path")?;
        if leaf {
            if content.list || end != KEY_NIBBLES {
                return Err("a leaf of the wrong shape");
            }
            let value = V::decode(content.payload).ok_or("a bad value")?;
            return Ok(Node::Leaf(Arc::new(Leaf { marks: self.marks(), depth: self.depth as u8, key, value })));
        }
        if end == self.depth || end == KEY_NIBBLES {
            return Err("an extension of the wrong length");
        }
        let child = Place { prefix: &key, depth: end, ..*self }.child(content)?.ok_or("an extension to nothing")?;
        let (start, end) = (self.depth as u8, end as u8);
        Ok(Node::Ext(Arc::new(Ext { marks: self.marks(), start, end, key, child })))
    }

    fn branch<V: Value>(&self, mut payload: &[u8]) -> Result<Node<V>, &'static str> {
        if self.depth >= KEY_NIBBLES {
            return Err("a branch below the longest path");
        }
        let mut children = Vec::with_capacity(16);
        let mut occupied = 0;
        for nibble in 0..16 {
            let prefix = with_nibble(*self.prefix, self.depth, nibble);
            let place = Place { prefix: &prefix, depth: self.depth + 1, ..*self };
            if let Some(child) = place.child(next_item(&mut payload)?)? {
                children.push(child);
                occupied |= 1 << nibble;
            }
        }
        if payload != [EMPTY_STRING_CODE] || children.len() < 2 {
            return Err("a branch of the wrong shape");
        }
        let head = BranchHead { occupied, marks: self.marks() };
        let branch: Branch<V> = ThinArc::from_header_and_iter(head, children.into_iter());
        Ok(Node::Branch(branch))
    }

    fn child<V: Value>(&self, item: Item<'_>) -> Result<Option<Child<V>>, &'static str> {
        if item.list {
            if item.whole.len() >= HASHED_BYTES_MIN {
                return Err("an embedded node that is too long");
            }
            return decode(item.whole, self.prefix, self.depth, self.generation).map(|n| Some(Child::Embedded(n)));
        }
        match item.payload {
            [] => Ok(None),
            hash => Ok(Some(Child::Hashed { hash: B256::try_from(hash).map_err(|_| "a bad hash")?, node: None })),
        }
    }
}
