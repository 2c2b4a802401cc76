// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Views } from "./extension/Views.sol";

/// @title The second half of every Contract S
/// @notice The code of S does not fit under the limit of one contract. S delegates the functions of this contract,
/// which have the names and parameters of IContractS.sol (its NatSpec is theirs), to this code, which works on the
/// storage of S. Itself it holds nothing: called directly it changes nothing. One serves all tasks of a chain.
contract Extension is Views { }
