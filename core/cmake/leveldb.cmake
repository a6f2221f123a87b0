# LevelDB 1.22 asks for clang's -Wthread-safety by a probe that gcc passes by mistake; gcc then refuses the flag.
set(HAVE_CLANG_THREAD_SAFETY 0 CACHE INTERNAL "")
