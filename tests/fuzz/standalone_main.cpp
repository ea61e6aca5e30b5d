// Runs a fuzz target without libFuzzer: the given inputs, then seeded mutations of them.
// Usage: fuzz_<name> [files or directories] [--runs=N] [--seed=S] [--first=R]
// Run R of a seed is always the same input: `--seed=S --first=R --runs=1` repeats a failure.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// There only in sanitized builds.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kInputBytesMax = 4096;
constexpr std::size_t kFileBytesMax = 64U << 20U;
constexpr int kMutationsMax = 8;

struct Options {
  std::vector<std::string> paths;
  std::uint64_t runs = 1000;
  std::uint64_t seed = 1;
  std::uint64_t first = 0;
};

std::uint64_t present_seed = 0;
std::uint64_t present_run = 0;
bool in_corpus = true;

void say_where() {
  if (in_corpus) {
    std::fprintf(stderr, "failed on corpus file %llu\n",
                 static_cast<unsigned long long>(present_run));
    return;
  }
  std::fprintf(stderr, "failed; repeat it with --seed=%llu --first=%llu --runs=1\n",
               static_cast<unsigned long long>(present_seed),
               static_cast<unsigned long long>(present_run));
}

void on_signal(int signal_number) {
  say_where();
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

bool read_number(std::string_view argument, std::string_view name, std::uint64_t& out) {
  if (!argument.starts_with(name)) {
    return false;
  }
  argument.remove_prefix(name.size());
  const auto [end, error] =
      std::from_chars(argument.data(), argument.data() + argument.size(), out);
  if (error != std::errc() || end != argument.data() + argument.size()) {
    std::fprintf(stderr, "not a number: %.*s\n", static_cast<int>(argument.size()),
                 argument.data());
    std::exit(2);
  }
  return true;
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (read_number(argument, "--runs=", options.runs) ||
        read_number(argument, "--seed=", options.seed) ||
        read_number(argument, "--first=", options.first)) {
      continue;
    }
    if (argument.starts_with("-")) {
      std::fprintf(stderr, "usage: %s [files or directories] [--runs=N] [--seed=S] [--first=R]\n",
                   argv[0]);
      std::exit(2);
    }
    options.paths.emplace_back(argument);
  }
  return options;
}

Input read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Input input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  input.resize(std::min(input.size(), kFileBytesMax));
  return input;
}

/// All files under `paths`, in the order of their names, so that runs repeat anywhere.
std::vector<Input> read_corpus(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::string& path : paths) {
    if (std::filesystem::is_directory(path)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        if (entry.is_regular_file()) {
          files.push_back(entry.path());
        }
      }
    } else if (std::filesystem::exists(path)) {
      files.emplace_back(path);
    } else {
      std::fprintf(stderr, "no such file: %s\n", path.c_str());
      std::exit(2);
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Input> corpus;
  corpus.reserve(files.size());
  for (const auto& file : files) {
    corpus.push_back(read_file(file));
  }
  return corpus;
}

class Mutator {
 public:
  Mutator(std::uint64_t seed, std::uint64_t run) : random_(seed * 0x9E3779B97F4A7C15ULL + run) {}

  Input make(const std::vector<Input>& corpus) {
    Input input;
    if (!corpus.empty() && below(16) != 0) {
      input = corpus[below(corpus.size())];
    } else {
      input.resize(below(257));
      std::generate(input.begin(), input.end(), [this] { return byte(); });
    }
    for (std::size_t left = 1 + below(kMutationsMax); left > 0; --left) {
      mutate(input, corpus);
    }
    input.resize(std::min(input.size(), std::max(kInputBytesMax, longest(corpus))));
    return input;
  }

 private:
  static std::size_t longest(const std::vector<Input>& corpus) {
    std::size_t out = 0;
    for (const Input& input : corpus) {
      out = std::max(out, input.size());
    }
    return out;
  }

  std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_() % end); }

  std::uint8_t byte() {
    // Bytes that mean something in length-encoded formats come often.
    static constexpr std::uint8_t kTelling[] = {0x00, 0x01, 0x7F, 0x80, 0xFA, 0xFB,
                                                0xFC, 0xFD, 0xFE, 0xFF, 0x10, 0x20};
    return below(2) == 0 ? kTelling[below(std::size(kTelling))]
                         : static_cast<std::uint8_t>(below(256));
  }

  void mutate(Input& input, const std::vector<Input>& corpus) {
    const auto at = static_cast<std::ptrdiff_t>(input.empty() ? 0 : below(input.size()));
    const std::size_t choice = input.empty() ? 0 : below(7);
    const auto begin = input.begin();
    const auto piece = static_cast<std::ptrdiff_t>(
        input.empty() ? 0 : below(std::min<std::size_t>(32, input.size() - std::size_t(at))));
    switch (choice) {
      case 0:
        input.insert(begin + at, byte());
        break;
      case 1:
        input[static_cast<std::size_t>(at)] = byte();
        break;
      case 2:
        input[static_cast<std::size_t>(at)] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 3:
        input.erase(begin + at, begin + at + piece);
        break;
      case 4: {
        const Input copy(begin + at, begin + at + piece);
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(below(input.size())), copy.begin(),
                     copy.end());
        break;
      }
      case 5:
        input[static_cast<std::size_t>(at)] =
            static_cast<std::uint8_t>(input[static_cast<std::size_t>(at)] + below(9) - 4);
        break;
      default:
        splice(input, static_cast<std::size_t>(at), corpus);
        break;
    }
  }

  /// The front of `input` and the back of another.
  void splice(Input& input, std::size_t at, const std::vector<Input>& corpus) {
    if (corpus.empty()) {
      return;
    }
    const Input& other = corpus[below(corpus.size())];
    if (other.empty()) {
      return;
    }
    input.resize(at);
    input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(below(other.size())),
                 other.end());
  }

  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  present_seed = options.seed;
  std::signal(SIGABRT, on_signal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(say_where);
  } else {
    std::signal(SIGSEGV, on_signal);
  }
  const std::vector<Input> corpus = read_corpus(options.paths);
  for (const Input& input : corpus) {
    LLVMFuzzerTestOneInput(input.data(), input.size());
    ++present_run;
  }
  in_corpus = false;
  for (std::uint64_t run = options.first; run < options.first + options.runs; ++run) {
    present_run = run;
    const Input input = Mutator(options.seed, run).make(corpus);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu corpus files, %llu runs of seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(options.runs),
              static_cast<unsigned long long>(options.seed));
  return 0;
}
