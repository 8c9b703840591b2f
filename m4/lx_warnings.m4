# SPDX-License-Identifier: LGPL-2.1-or-later
# LX_WARNINGS: the warnings that the compiler knows, in WARNING_CFLAGS; --enable-werror (for CI) makes errors of them.
AC_DEFUN([LX_WARNINGS], [
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [treat warnings as errors])], [], [enable_werror=no])
  WARNING_CFLAGS=
  for lx_flag in -Wall -Wextra -Wshadow -Wpointer-arith -Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes \
      -Wold-style-definition -Wundef -Wvla -Wformat=2 -Wconversion -Wcast-align -Wcast-qual -Wnull-dereference \
      -Wimplicit-fallthrough -Wlogical-op -Wduplicated-cond; do
    AS_VAR_PUSHDEF([lx_var], [lx_cv_flag_$lx_flag])
    AC_CACHE_CHECK([whether $CC takes $lx_flag], [lx_var], [
      lx_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -Werror $lx_flag"
      dnl The comment is uthash's, in macros that become ours; clang does not take it for an annotation.
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [[
          volatile int n = 0;
          switch (n) { case 1: n = 2; /* fall through */ case 2: n = 3; }]])],
        [AS_VAR_SET([lx_var], [yes])], [AS_VAR_SET([lx_var], [no])])
      CFLAGS=$lx_save_CFLAGS
    ])
    AS_VAR_IF([lx_var], [yes], [WARNING_CFLAGS="$WARNING_CFLAGS $lx_flag"])
    AS_VAR_POPDEF([lx_var])
  done
  AS_IF([test "$enable_werror" != no], [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
  AC_SUBST([WARNING_CFLAGS])
])
