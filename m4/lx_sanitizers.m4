# SPDX-License-Identifier: LGPL-2.1-or-later
# LX_SANITIZERS: --enable-sanitizers[=LIST], the compiler's run-time checks, in SANITIZER_CFLAGS; "yes" is address,undefined.
AC_DEFUN([LX_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@], [build with these of the compiler's sanitizers @<:@address,undefined@:>@])],
    [], [enable_sanitizers=no])
  lx_sanitizers=
  AS_CASE([$enable_sanitizers], [no], [], [yes], [lx_sanitizers=address,undefined], [lx_sanitizers=$enable_sanitizers])
  SANITIZER_CFLAGS=
  AS_IF([test -n "$lx_sanitizers"],
    [SANITIZER_CFLAGS="-fsanitize=$lx_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"])
  AC_SUBST([SANITIZER_CFLAGS])
  AM_CONDITIONAL([SANITIZED], [test -n "$lx_sanitizers"])
])

# LX_FUZZING: --enable-fuzzing builds the targets of tests/fuzz for libFuzzer (clang); without it they replay their corpus.
AC_DEFUN([LX_FUZZING], [
  AC_ARG_ENABLE([fuzzing], [AS_HELP_STRING([--enable-fuzzing], [link tests/fuzz with libFuzzer (needs clang)])],
    [], [enable_fuzzing=no])
  lx_fuzzing=$enable_fuzzing
  FUZZING_CFLAGS=
  AS_IF([test "$lx_fuzzing" != no], [FUZZING_CFLAGS=-fsanitize=fuzzer-no-link])
  AC_SUBST([FUZZING_CFLAGS])
  AM_CONDITIONAL([FUZZING], [test "$lx_fuzzing" != no])
])
