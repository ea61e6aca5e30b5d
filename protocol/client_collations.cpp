#include "protocol/client_collations.h"

#include <algorithm>
#include <array>

namespace consort::protocol {

bool can_be_a_clients(std::uint16_t collation) {
  constexpr std::array<std::uint16_t, 12> kNot = {17, 35, 54, 55, 56, 60, 61, 62, 76, 90, 100, 0};
  return (collation < 100 && std::find(kNot.begin(), kNot.end(), collation) == kNot.end()) ||
         (collation >= 192 && collation <= 215) || (collation >= 223 && collation <= 247);
}

std::uint16_t number_of_character_set(std::uint16_t collation) {
  constexpr std::uint16_t kUtf8mb3 = 33;
  constexpr std::uint16_t kUtf8mb4 = 45;
  constexpr std::array<std::array<std::uint8_t, 2>, 53> kOthers = {
      {{2, 9},   {5, 8},   {14, 51}, {15, 8},  {20, 41}, {21, 9},  {23, 51}, {27, 9},  {29, 59},
       {31, 8},  {34, 26}, {42, 41}, {43, 38}, {44, 26}, {46, 45}, {47, 8},  {48, 8},  {49, 8},
       {50, 51}, {52, 51}, {53, 39}, {58, 59}, {64, 32}, {65, 11}, {66, 26}, {67, 57}, {68, 36},
       {69, 3},  {70, 25}, {71, 16}, {72, 6},  {73, 37}, {74, 7},  {75, 22}, {77, 9},  {78, 30},
       {79, 41}, {80, 4},  {81, 40}, {82, 10}, {83, 33}, {84, 1},  {85, 19}, {86, 24}, {87, 28},
       {88, 13}, {89, 18}, {91, 12}, {93, 92}, {94, 8},  {96, 95}, {98, 97}, {99, 26}}};
  if (collation >= 192) {
    const bool short_one = collation <= 223 || (collation >= 2048 && collation < 2304);
    return short_one ? kUtf8mb3 : kUtf8mb4;
  }
  const auto found = std::find_if(kOthers.begin(), kOthers.end(),
                                  [&](const auto& one) { return one[0] == collation; });
  return found == kOthers.end() ? collation : (*found)[1];
}

}  // namespace consort::protocol
