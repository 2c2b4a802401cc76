// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// The paper's chain part taken literally: every device records its own noise and its own hash, each
/// in a transaction of its own. Nothing is verified here; it is the baseline of the gas figures.
contract PaperBaseline {
    event NoiseRecorded(uint256 indexed round, address indexed device, bytes commitment);
    event HashRecorded(uint256 indexed round, address indexed device, bytes32 digest);

    mapping(uint256 round => mapping(address device => bytes32 digest)) public noise;
    mapping(uint256 round => mapping(address device => bytes32 digest)) public hashes;

    /// A device's noise commitment of a round, a compressed point of 48 bytes.
    function recordNoise(uint256 round, bytes calldata commitment) external {
        require(commitment.length == 48 && noise[round][msg.sender] == 0);
        noise[round][msg.sender] = keccak256(commitment);
        emit NoiseRecorded(round, msg.sender, commitment);
    }

    /// The hash of a device's sum of shares.
    function recordHash(uint256 round, bytes32 digest) external {
        require(noise[round][msg.sender] != 0 && hashes[round][msg.sender] == 0);
        hashes[round][msg.sender] = digest;
        emit HashRecorded(round, msg.sender, digest);
    }
}
