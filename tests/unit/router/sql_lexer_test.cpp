// SqlLexer: tokens of single pieces, in each mode that changes them.
#include "router/sql_lexer.h"

#include <string>

#include "router/classify.h"
#include "tests/support/test.h"

using namespace consort::router;

namespace {

std::string_view letter(TokenKind kind) {
  constexpr std::string_view kNames[] = {"end", "w", "q", "s", "n", "@", "@@", "?",
                                         ":=",  "o", ",", ".", "(", ")", ";",  "bad"};
  return kNames[static_cast<unsigned>(kind)];
}

/// "w<select> n<1>" for `select 1`.
std::string tokens(std::string_view sql, const LexerOptions& options = {}) {
  SqlLexer lexer(sql, options);
  std::string text;
  for (Token token = lexer.next(); !token.is(TokenKind::kEnd); token = lexer.next()) {
    text += text.empty() ? "" : " ";
    text += std::string(letter(token.kind)) + "<" + std::string(token.text) + ">";
  }
  return text;
}

LexerOptions version(std::uint32_t number) {
  LexerOptions options;
  options.server_version = number;
  return options;
}

}  // namespace

TEST_SUITE("sql_lexer") {
  TEST_CASE("pieces") {
    struct Case {
      std::string_view sql;
      std::string_view tokens;
    };

    const Case table[] = {
        {"", ""},
        {" \t\r\n\v\f", ""},
        {"select a_1,$b", "w<select> w<a_1> ,<,> w<$b>"},
        {"'it''s' \"a\"\"b\"", "s<'it''s'> s<\"a\"\"b\">"},
        {R"('a\'b' "c\"d" 'e\\')", R"(s<'a\'b'> s<"c\"d"> s<'e\\'>)"},
        {"N'x' n'y' x'1F' X'' b'01' 0xFf 0b1",
         "s<N'x'> s<n'y'> n<x'1F'> n<X''> n<b'01'> n<0xFf> n<0b1>"},
        {"x'1G'", "w<x> s<'1G'>"},
        {"0xZ 1a 12", "w<0xZ> w<1a> n<12>"},
        {"1.5 .5 1. 1e3 1.5E-3 1e", "n<1.5> n<.5> n<1.> n<1e3> n<1.5E-3> w<1e>"},
        {"t.1a a.b.c t.5", "w<t> .<.> w<1a> w<a> .<.> w<b> .<.> w<c> w<t> .<.> w<5>"},
        {"`a``b`.`c`", "q<`a``b`> .<.> q<`c`>"},
        {"@a @`x y` @'z' @\"w\" @a.b @", "@<@a> @<@`x y`> @<@'z'> @<@\"w\"> @<@a.b> @<@>"},
        {"@@x @@session.y @@GLOBAL . z @@`v` @@local.`u`",
         "@@<@@x> @@<@@session.y> @@<@@GLOBAL . z> @@<@@`v`> @@<@@local.`u`>"},
        {"a:=1 := ? ; <=> <= || !=", "w<a> :=<:=> n<1> :=<:=> ?<?> ;<;> o<<=>> o<<=> o<||> o<!=>"},
        {"-- x\n1 # y\n2 -- z", "n<1> n<2>"},
        {"1--1 1--", "n<1> o<-> o<-> n<1> n<1>"},
        {"--\t1", ""},
        {"a/* x */b /**/c/*\n*/", "w<a> w<b> w<c>"},
        {"/*! select */ 1", "w<select> n<1>"},
        {"/*!50001 a*/ /*!50700 b*/ /*!99999 c*/ /*M!50700 d*/", "w<a> w<d>"},
        {"/*!123 */", "n<123>"},
        {"/*!40000 a /* b */ c */ d", "w<a> w<c> w<d>"},
        {"/*!99999 a /* b */ c */ d", "w<d>"},
        {"a*/b", "w<a> o<*> o</> w<b>"},
        {"/*+ hint */ 1", "n<1>"},
        {"\xC3\xA4_t f\xFF", "w<\xC3\xA4_t> w<f\xFF>"},
        {"'open", "bad<'open>"},
        {"`open", "bad<`open>"},
        {"a /* open", "w<a> bad</* open>"},
        {"'a\\", "bad<'a\\>"},
        {std::string_view("a\0b", 3), std::string_view("w<a> bad<\0> w<b>", 16)},
    };
    for (const Case& row : table) {
      CAPTURE(row.sql);
      EXPECT(tokens(row.sql) == row.tokens);
    }
  }

  TEST_CASE("ANSI_QUOTES: double quotes hold names") {
    LexerOptions options;
    options.ansi_quotes = true;
    EXPECT(tokens(R"("a""b" @"c" @@"d")", options) == R"(q<"a""b"> @<@"c"> @@<@@"d">)");
    EXPECT(tokens(R"("a\" 1)", options) == R"(q<"a\"> n<1>)");
  }

  TEST_CASE("NO_BACKSLASH_ESCAPES: a backslash is a character") {
    LexerOptions options;
    options.no_backslash_escapes = true;
    EXPECT(tokens(R"('a\' 1)", options) == R"(s<'a\'> n<1>)");
  }

  TEST_CASE("comments for some versions") {
    EXPECT(tokens("/*M!100616 a */", version(100616)) == "w<a>");
    EXPECT(tokens("/*!100616 a */", version(101100)) == "w<a>");
    EXPECT(tokens("/*M!100616 a */", version(100615)).empty());
    SqlLexer lexer("/*M!100616 a */", version(100615));
    EXPECT(lexer.next().is(TokenKind::kEnd));
    EXPECT(lexer.saw_conditional_comment());
    SqlLexer dump("/*M!999999\\- enable the sandbox mode */ a", version(101100));
    EXPECT(dump.next().is("a"));
    EXPECT(!dump.saw_conditional_comment());
    LexerOptions mysql;
    mysql.mysql = true;
    mysql.server_version = 80030;
    EXPECT(tokens("/*!80030 a */ /*!80031 b */ /*M! c */ /*!50700 d */", mysql) == "w<a> w<d>");
  }

  TEST_CASE("single-byte character sets: an unquoted byte that may be a blank is uncertain") {
    LexerOptions options;
    options.single_byte = true;
    SqlLexer quoted("'\xA0'", options);
    EXPECT(quoted.next().is(TokenKind::kString));
    EXPECT(!quoted.saw_uncertain_text());
    SqlLexer bare("a\xA0", options);
    EXPECT(bare.next().is(TokenKind::kWord));
    EXPECT(bare.saw_uncertain_text());
    for (const std::string_view blank : {"a\xFF", "\xA0", "\xFF\xE4", "t.\xE4\xA0"}) {
      SqlLexer lexer(blank, options);
      while (!lexer.next().is(TokenKind::kEnd)) {
      }
      EXPECT(lexer.saw_uncertain_text());
    }
    // koi8r: a word of letters.
    for (const std::string_view word : {"\xD4\xC1\xC2", "t.\xD4\xC1", "a\xE4"}) {
      SqlLexer lexer(word, options);
      EXPECT(lexer.next().is(TokenKind::kWord));
      while (!lexer.next().is(TokenKind::kEnd)) {
      }
      EXPECT(!lexer.saw_uncertain_text());
    }
  }

  TEST_CASE("the end comes again and again, and space_before is told") {
    SqlLexer lexer("count /**/(", {});
    EXPECT(!lexer.next().space_before);
    EXPECT(lexer.next().space_before);
    EXPECT(lexer.next().is(TokenKind::kEnd));
    EXPECT(lexer.next().is(TokenKind::kEnd));
  }

  TEST_CASE("names inside tokens") {
    EXPECT(user_variable_name("@`a b`") == "a b");
    EXPECT(user_variable_name("@x") == "x");
    EXPECT(system_variable_name("@@x").name == "x");
    EXPECT(system_variable_name("@@session.x").scope == "session");
    EXPECT(system_variable_name("@@GLOBAL . `x`").scope == "GLOBAL");
    EXPECT(system_variable_name("@@GLOBAL . `x`").name == "x");
    EXPECT(system_variable_name("@@").name.empty());
  }

  TEST_CASE("LexerOptions: a collation's id names its character set") {
    const auto of = [](std::uint16_t id) { return with_collation({}, id); };
    for (const std::uint16_t id : {33, 45, 46, 83, 192, 224, 255, 1069, 1057, 2304, 11, 65}) {
      CAPTURE(id);
      EXPECT_FALSE(of(id).doubtful);
      EXPECT_FALSE(of(id).single_byte);
    }
    for (const std::uint16_t id : {8, 47, 63, 51, 1032, 12, 19}) {
      CAPTURE(id);
      EXPECT(of(id).single_byte);
      EXPECT_FALSE(of(id).doubtful);
    }
    for (const std::uint16_t id : {1, 84, 13, 88, 28, 87, 95, 96, 1052, 1111, 250, 400}) {
      CAPTURE(id);
      EXPECT(of(id).doubtful);
      EXPECT(of(id).ascii_is_certain == (id < 250 || id == 1052 || id == 1111));
    }
  }

  TEST_CASE("classify: a comment beyond all backends is one") {
    LexerOptions options;
    options.server_version = 101100;
    const auto is_uncertain = [&](std::string_view sql) {
      const Statement statement = classify(sql, options);
      EXPECT(statement.has(Flag::kConditionalComment));
      return statement.has(Flag::kUncertain);
    };
    EXPECT(is_uncertain("SELECT /*!110400 1 + */ 2"));  // another backend may be newer
    options.newest_version = 110402;
    EXPECT(is_uncertain("SELECT /*!110400 1 + */ 2"));
    EXPECT_FALSE(is_uncertain("SELECT /*!110500 1 + */ 2"));
    EXPECT_FALSE(is_uncertain("SELECT /*!999998 1 + /* 2 + */ 4 + */ 8"));
    EXPECT(is_uncertain("CREATE TABLE t (a INT) /*!110500 x */"));
    EXPECT(is_uncertain("SET GLOBAL max_error_count = 1 /*!110500 x */"));
  }

  TEST_CASE("in_doubt: characters that end in an ASCII byte begin with another") {
    const LexerOptions gbk = with_character_set({}, "gbk");
    EXPECT_FALSE(in_doubt("CREATE TABLE `t` (a INT COMMENT \"\\\\\")", gbk));
    EXPECT(in_doubt("SELECT '\xbf\\'", gbk));
    EXPECT(in_doubt("SELECT @a", with_character_set({}, "unheard_of")));
    EXPECT_FALSE(in_doubt("SELECT '\xbf\\'", with_character_set({}, "utf8mb4")));
    EXPECT_FALSE(classify("CREATE TABLE `t` (a INT)", gbk).has(Flag::kUncertain));
    EXPECT_FALSE(classify("SELECT @@version", gbk).has(Flag::kUncertain));
    EXPECT(classify("SELECT '\xbf\\'", gbk).has(Flag::kUncertain));
    EXPECT(classify("SELECT [", with_character_set({}, "unheard_of")).has(Flag::kUncertain));
  }
}
