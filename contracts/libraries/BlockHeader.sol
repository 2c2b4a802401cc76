// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { IContractS } from "../interfaces/IContractS.sol";

/// @title Past blocks: hashes that the chain remembers, fields of a header
library BlockHeader {
    // EIP-2935.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 private constant HISTORY_GAS = 30_000;

    // Position of prevrandao (mixHash) among the items of a header (EIP-4399).
    uint256 private constant PREVRANDAO_ITEM = 13;

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
        (uint256 cursor,) = _item(header, 0);
        for (uint256 i = 0; i < PREVRANDAO_ITEM; ++i) {
            (uint256 start, uint256 length) = _item(header, cursor);
            cursor = start + length;
        }
        (uint256 from, uint256 size) = _item(header, cursor);
        if (size != 32) revert IContractS.MalformedHeader();
        return bytes32(header[from:from + 32]);
    }

    /// @dev Where the content of the item at `cursor` starts and how long it is. Of a list, the content is
    /// its items.
    function _item(bytes calldata data, uint256 cursor)
        private
        pure
        returns (uint256 start, uint256 length)
    {
        if (cursor >= data.length) revert IContractS.MalformedHeader();
        uint256 prefix = uint8(data[cursor]);
        if (prefix < 0x80) return (cursor, 1);
        start = cursor + 1;
        // Strings have their short and long forms from 0x80 and 0xb8, lists from 0xc0 and 0xf8.
        uint256 kind = prefix & 0x3f;
        if (kind < 56) {
            length = kind;
        } else {
            uint256 lengthBytes = kind - 55;
            if (start + lengthBytes > data.length) revert IContractS.MalformedHeader();
            for (uint256 i = 0; i < lengthBytes; ++i) {
                length = (length << 8) | uint8(data[start + i]);
            }
            start += lengthBytes;
        }
        if (length > data.length || start + length > data.length) {
            revert IContractS.MalformedHeader();
        }
    }
}
