//! What leaves hold: accounts, which own their storage tries, and storage words.

use crate::node::Tree;
use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable, Header};
use alloy_trie::EMPTY_ROOT_HASH;
use zg_types::Account;

/// RLP of the largest value: an account with every field full.
pub(crate) const VALUE_BYTES_MAX: usize = 2 + 9 + 33 + 33 + 33;

/// A leaf's value.
pub(crate) trait Value: Clone + Send + Sync {
    /// Write the RLP to the front of `out`; returns its length.
    fn encode(&self, out: &mut [u8; VALUE_BYTES_MAX]) -> usize;
    /// None when `rlp` is not exactly one value.
    fn decode(rlp: &[u8]) -> Option<Self>;
    /// Bytes that the value itself keeps outside its leaf, without the nodes of its storage trie.
    fn heap_bytes(&self) -> usize {
        0
    }
    /// The storage trie that the value owns.
    fn storage(&self) -> Option<&Tree<U256>> {
        None
    }
    /// The storage trie that the value owns, to replace it.
    fn storage_mut(&mut self) -> Option<&mut Tree<U256>> {
        None
    }
}

impl Value for U256 {
    fn encode(&self, out: &mut [u8; VALUE_BYTES_MAX]) -> usize {
        Encodable::encode(self, &mut &mut out[..]);
        Encodable::length(self)
    }

    fn decode(mut rlp: &[u8]) -> Option<Self> {
        let word = <Self as Decodable>::decode(&mut rlp).ok()?;
        rlp.is_empty().then_some(word)
    }
}

/// An account as its leaf keeps it. Most accounts have neither code nor storage, and then `contract` is None.
#[derive(Clone)]
pub(crate) struct AccountValue {
    nonce: u64,
    balance: U256,
    contract: Option<Box<Contract>>,
}

#[derive(Clone)]
struct Contract {
    code_hash: B256,
    storage: Tree<U256>,
}

impl AccountValue {
    pub(crate) fn new(account: &Account, storage: Tree<U256>) -> Self {
        let plain = account.code_hash == KECCAK256_EMPTY && storage.is_empty();
        let contract = (!plain).then(|| Box::new(Contract { code_hash: account.code_hash, storage }));
        Self { nonce: account.nonce, balance: account.balance, contract }
    }

    pub(crate) fn account(&self) -> Account {
        let code_hash = self.contract.as_ref().map_or(KECCAK256_EMPTY, |c| c.code_hash);
        Account { nonce: self.nonce, balance: self.balance, code_hash }
    }

    pub(crate) fn storage_root(&self) -> B256 {
        self.storage().map_or(EMPTY_ROOT_HASH, |tree| tree.hash)
    }
}

impl Value for AccountValue {
    fn encode(&self, out: &mut [u8; VALUE_BYTES_MAX]) -> usize {
        let payload_length = self.nonce.length() + self.balance.length() + 33 + 33;
        let mut rest = &mut out[..];
        Header { list: true, payload_length }.encode(&mut rest);
        Encodable::encode(&self.nonce, &mut rest);
        Encodable::encode(&self.balance, &mut rest);
        self.storage_root().encode(&mut rest);
        self.contract.as_ref().map_or(KECCAK256_EMPTY, |c| c.code_hash).encode(&mut rest);
        VALUE_BYTES_MAX - rest.len()
    }

    fn decode(mut rlp: &[u8]) -> Option<Self> {
        let mut fields = Header::decode_bytes(&mut rlp, true).ok()?;
        let nonce = u64::decode(&mut fields).ok()?;
        let balance = <U256 as Decodable>::decode(&mut fields).ok()?;
        let storage = Tree::on_disk(B256::decode(&mut fields).ok()?);
        let code_hash = B256::decode(&mut fields).ok()?;
        (rlp.is_empty() && fields.is_empty()).then(|| Self::new(&Account { nonce, balance, code_hash }, storage))
    }

    fn heap_bytes(&self) -> usize {
        self.contract.as_ref().map_or(0, |_| size_of::<Contract>())
    }

    fn storage(&self) -> Option<&Tree<U256>> {
        self.contract.as_ref().map(|c| &c.storage)
    }

    fn storage_mut(&mut self) -> Option<&mut Tree<U256>> {
        self.contract.as_mut().map(|c| &mut c.storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &impl Value) -> Vec<u8> {
        let mut out = [0; VALUE_BYTES_MAX];
        let length = value.encode(&mut out);
        out[..length].to_vec()
    }

    #[test]
    fn accounts_encode_as_alloy_encodes_them() {
        let full = Account { nonce: u64::MAX, balance: U256::MAX, code_hash: B256::repeat_byte(7) };
        for account in [Account::default(), full] {
            let root = B256::repeat_byte(9);
            let value = AccountValue::new(&account, Tree::on_disk(root));
            let oracle = alloy_trie::TrieAccount {
                nonce: account.nonce,
                balance: account.balance,
                storage_root: root,
                code_hash: account.code_hash,
            };
            assert_eq!(encoded(&value), alloy_rlp::encode(oracle));
            let read = AccountValue::decode(&encoded(&value)).unwrap();
            assert_eq!((read.account(), read.storage_root()), (account, root));
        }
    }

    #[test]
    fn an_account_without_code_and_storage_needs_no_heap() {
        let value = AccountValue::new(&Account::default(), Tree::empty());
        assert_eq!((value.heap_bytes(), value.storage_root()), (0, EMPTY_ROOT_HASH));
        let other = AccountValue::new(&Account { code_hash: B256::ZERO, ..Account::default() }, Tree::empty());
        assert_eq!(other.account().code_hash, B256::ZERO);
    }

    #[test]
    fn anything_but_one_value_is_refused() {
        let account = encoded(&AccountValue::new(&Account::default(), Tree::empty()));
        for end in 0..account.len() {
            assert!(AccountValue::decode(&account[..end]).is_none());
        }
        assert!(AccountValue::decode(&[&account[..], &[0]].concat()).is_none());
        for word in [&[][..], &[0x00], &[0x81, 0x01], &[0x01, 0x01], &[0xc0]] {
            assert!(<U256 as Value>::decode(word).is_none(), "{word:?}");
        }
    }
}
