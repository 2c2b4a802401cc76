// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { ITask } from "../interfaces/ITask.sol";

/// @title Past blocks: hashes that the chain remembers, fields of a header
library BlockHeader {
    // EIP-2935.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 private constant HISTORY_GAS = 30_000;

    // A header is a list whose length takes two bytes. Its first items have fixed sizes: the parent's
    // and the uncles' hashes, the beneficiary, three roots, the bloom. Six short ones follow, then
    // prevrandao (mixHash, EIP-4399).
    uint256 private constant FIRST_SHORT_ITEM = 3 + 2 * 33 + 21 + 3 * 33 + 259;
    uint256 private constant SHORT_ITEMS = 6;

    /// @dev Hash of block `blockNumber`, zero if the chain does not remember it.
    function hashOf(uint256 blockNumber) internal view returns (bytes32 hash) {
        hash = blockhash(blockNumber);
        if (hash != 0) return hash;
        assembly ("memory-safe") {
            mstore(0x00, blockNumber)
            let ok := staticcall(HISTORY_GAS, HISTORY, 0x00, 0x20, 0x00, 0x20)
            if and(ok, eq(returndatasize(), 0x20)) { hash := mload(0x00) }
        }
    }

    /// @dev prevrandao of an RLP-encoded header, which the caller checked by its hash.
    function prevrandao(bytes calldata header) internal pure returns (bytes32) {
        uint256 cursor = FIRST_SHORT_ITEM;
        for (uint256 i = 0; i < SHORT_ITEMS; ++i) {
            // A byte below 0x80 stands for itself, 0x80 + n for a string of n < 56 bytes.
            uint256 prefix = uint8(header[cursor]);
            if (prefix >= 0xb8) revert ITask.MalformedHeader();
            cursor += prefix < 0x80 ? 1 : prefix - 0x7f;
        }
        if (header[0] != 0xf9 || header[cursor] != 0xa0) revert ITask.MalformedHeader();
        return bytes32(header[cursor + 1:cursor + 33]);
    }
}
