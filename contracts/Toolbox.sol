// SPDX-License-Identifier: MIT
pragma solidity =0.8.37;

import { Judge } from "./Judge.sol";
import { NoiseSampler } from "./NoiseSampler.sol";
import { Verifier } from "./Verifier.sol";

/// @title What every Contract S computes with
/// @notice Contracts without state that do not fit beside S, nor into its constructor. One toolbox serves all
/// tasks of a chain.
/// @dev Warning: S believes its toolbox. Whoever joins a task compares the code of both, and of the three
/// contracts below, with what the compiler makes of this source.
contract Toolbox {
    Verifier public immutable verifier;
    NoiseSampler public immutable noiseSampler;
    Judge public immutable judge;

    constructor() {
        verifier = new Verifier();
        noiseSampler = new NoiseSampler();
        judge = new Judge();
    }
}
