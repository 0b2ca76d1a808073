// SPDX-License-Identifier: BSD-3-Clause
// Identities, addresses, blinded keys and subcredentials as stem 1.8 computes them (its
// _blinded_pubkey, _subcredential and address_from_identity_key).
#pragma once

#include <stdint.h>

static const struct key_vector {
    uint64_t period, length_minutes;
    const char *seed, *identity, *address, *blinded, *subcredential;
} key_vectors[] = {
    {0U, 1440U, "29f88512004af0bfa30b8bfa65d33062872dd9ab2fb9d180e3306495311766b8",
     "a19eb6ca21d82ce8d6907af2f76e883e0afea6d9bee52e769ffc456f4e0042b8",
     "ugplnsrb3aworvuqplzpo3uihyfp5jwzx3ss45u77rcw6tqaik4egvid.onion",
     "e90bbd24fb21f9eff089c667c99cd2b5a888386ed4c60fc0a3790b8da162e0b7",
     "4f5dd348ded8ffbecb3a3b9207e693ab79ed5a3036212798ac0f323afb2fade7"},
    {16903U, 1440U, "f9630eb97ddc9bb63d2d653b899f64c2f772466b06605608aa9cbfc1c79440fa",
     "9ab731f2a5380a6e31c205db0d65db149b367cd6ab7d77fb4cbe7de2d10c49af",
     "tk3td4vfhafg4mocaxnq2zo3csntm7gwvn6xp62mxz66fuimjgxtwdad.onion",
     "1e095390b511fd45df7901e4887b54e13ffa6500b71e1dc1c1fa7add789555cf",
     "2218d1851fcc8e33621f6fd9e7aed6c02346265cb8a40d9e74ac6606156ab90a"},
    {1U, 1U, "1b5ed8cb31e17d2de4e4c227daf19bd12b6288e7f958090b3f80b86083e7a882",
     "93a30a8cd7855f298e1741aecd1bfaad3b88ca14dd1261c3b740c230a6cba5a4",
     "sorqvdgxqvpstdqxigxm2g72vu5yrsqu3ujgdq5xidbdbjwluwsehiqd.onion",
     "a8c4022e8dee2ff21eacff35a0edb2fbaea956d11b1b7848da9173dc7b56af3d",
     "24276e030bebf4ef62bf621af3ab8e2c3c2baecf19a1f3e673f7f48ec975bbb5"},
    {12345678901U, 240U, "d2d7f889f3f5fb48c1fe9cefa5bb53c088a3cbf9509403e61d5d0f39bdb9fe1f",
     "036cdd7a4cebafffc83bb4f6e11d34b82e612d67bdca576cd7ebdc0fea9026ff",
     "anwn26sm5ox77sb3wt3ochjuxaxgcllhxxffo3gx5poa72uqe37ve3id.onion",
     "0d681fe45f816f7fb64164ff8c72427f5373a2bc4d972730c608ef84a1d451ce",
     "9670a9e8583822416bfdc6f12bb929e70c4cbf15f387e38dc0e66cc64b0a9f01"},
};
