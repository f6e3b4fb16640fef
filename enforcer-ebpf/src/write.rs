//! Entries of the daemon's, written by a program: a helper's call for each instead of a system call.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::bpf_skb_load_bytes;
use aya_ebpf::maps::lpm_trie::Key;
use enforcer_common::abi::{Peer, Verdict, VerdictKey, Write};
use enforcer_common::parse::NETWORK;

use crate::maps;

/// What the helpers say of an entry that is not there (`ENOENT`).
const GONE: i32 = -2;

/// Writes the packet's entries in their order, up to the first that fails; returns how many.
#[inline(always)]
pub(crate) fn all(skb: *mut __sk_buff) -> i32 {
    let mut done = 0;
    while done < Write::MOST as u32 && write_one(skb, done) == 0 {
        done += 1;
    }
    done.cast_signed()
}

/// Puts an entry into a table, or takes it out.
macro_rules! enter {
    ($table:ident, $put:expr, $key:expr, $value:expr) => {
        if $put {
            maps::$table.insert(&$key, &$value, 0)
        } else {
            maps::$table.remove(&$key)
        }
    };
}

/// A global function, so that the verifier looks at it once and not for each entry. Returns what the map's
/// helper says, or 1 where the packet has no such entry.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn write_one(skb: *mut __sk_buff, index: u32) -> i32 {
    let mut words = [0u32; Write::WORDS];
    let size = size_of::<Write>() as u32;
    let at = NETWORK as u32 + (index & 0xff) * size;
    // SAFETY: the room is as large as is said.
    if unsafe { bpf_skb_load_bytes(skb.cast(), at, words.as_mut_ptr().cast(), size) } != 0 {
        return 1;
    }
    let [what, k0, k1, k2, k3, k4, value @ ..] = words;
    let put = what & Write::PUT != 0;
    let peer: Peer = bytemuck::must_cast(value);
    let result = match what & !Write::PUT {
        Write::VERDICTS => {
            let key: VerdictKey = bytemuck::must_cast([k0, k1]);
            let verdict: Verdict = bytemuck::must_cast(value);
            enter!(VERDICTS, put, key, verdict)
        }
        Write::ADDRESSES_V4 => enter!(ADDRESSES_V4, put, [k0], peer),
        Write::ADDRESSES_V6 => enter!(ADDRESSES_V6, put, [k0, k1, k2, k3], peer),
        Write::CIDRS_V4 => enter!(CIDRS_V4, put, Key::new(k0, [k1]), peer),
        Write::CIDRS_V6 => enter!(CIDRS_V6, put, Key::new(k0, [k1, k2, k3, k4]), peer),
        _ => return 1,
    };
    match result {
        Ok(()) => 0,
        Err(GONE) if !put => 0,
        Err(error) => error,
    }
}
